import { Reader } from 'protobufjs/minimal.js'
import { checkedDigest, type DigestFunction } from '../core/digest.ts'
import { batchBytesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { CacheContext } from './context.ts'
import { readWhole } from './whole.ts'

/** What a client asks to have in the result itself. */
export interface InlineRequest {
  readonly inlineStdout: boolean
  readonly inlineStderr: boolean
  /** Paths of output files. */
  readonly inlineOutputFiles: readonly string[]
}

/**
 * Puts the contents that the client asks for into a result (rule 20): as many as fit into a
 * message, stdout first; digests stay, so that nothing is lost when one is left out.
 * @param stored a serialised ActionResult
 */
export async function inlined(
  context: CacheContext,
  stored: Uint8Array,
  request: InlineRequest,
  fn: DigestFunction,
): Promise<Uint8Array> {
  const result = decodeWithUnknownFields(stored)
  let left = batchBytesMax - stored.length
  let changed = false

  async function contents(wire: re.Digest.$Properties | null | undefined): Promise<Uint8Array | undefined> {
    if (!wire) return undefined
    const digest = checkedDigest(fn, wire.hash ?? '', wire.sizeBytes ?? 0)
    if (digest.size === 0 || digest.size > left) return undefined
    const bytes = await readWhole(context.blobs, digest, left)
    if (!bytes) return undefined
    left -= bytes.length
    changed = true
    return bytes
  }

  if (request.inlineStdout && result.stdoutRaw.length === 0)
    result.stdoutRaw = (await contents(result.stdoutDigest)) ?? result.stdoutRaw
  if (request.inlineStderr && result.stderrRaw.length === 0)
    result.stderrRaw = (await contents(result.stderrDigest)) ?? result.stderrRaw
  const paths = new Set(request.inlineOutputFiles)
  for (const file of result.outputFiles) {
    if (!paths.has(file.path ?? '') || file.contents?.length) continue
    const bytes = await contents(file.digest)
    if (bytes) file.contents = bytes
  }
  return changed ? re.ActionResult.encode(result).finish() : stored
}

function decodeWithUnknownFields(stored: Uint8Array) {
  const reader = Reader.create(stored)
  reader.discardUnknown = false
  return re.ActionResult.decode(reader)
}
