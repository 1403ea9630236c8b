import type { CasClient } from '../client/cas.ts'
import { decodeBlob } from '../client/decode-blob.ts'
import { type Directories, fetchDirectories, type KnownDirectories, parseDirectory } from '../client/tree.ts'
import { type Digest, type DigestFunction, digestKey, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { re } from '../wire/proto.ts'
import { MissingInputs } from './missing-inputs.ts'

/** The most that the parsed messages may take, measured by their encoded size. */
const bytesMax = 32 * 1024 * 1024

/** A Command, and all Directories below an action's input root by `hash/size`. */
interface ActionInputs {
  readonly command: re.Command
  readonly directories: Directories
}

/** The Commands and Directories that this worker has read, the most recently used ones kept. */
export interface Messages {
  /**
   * @param carried blobs that came with the action; these are not fetched
   * @throws MissingInputs; Failure 'invalid' for a malformed Command or Directory (rule 39)
   */
  load(command: Digest, inputRoot: Digest, carried: readonly Uint8Array[], signal: AbortSignal): Promise<ActionInputs>
}

/** An empty cache of messages. */
export function createMessages(cas: CasClient): Messages {
  const kept = new Map<string, re.Command | re.Directory>()
  const sizes = new Map<string, number>()
  let bytes = 0

  const keep = (key: string, message: re.Command | re.Directory, size: number) => {
    if (!kept.has(key)) {
      sizes.set(key, size + 200)
      bytes += size + 200
    } else kept.delete(key)
    kept.set(key, message)
    for (const oldest of kept.keys()) {
      if (bytes <= bytesMax) return
      bytes -= sizes.get(oldest) ?? 0
      sizes.delete(oldest)
      kept.delete(oldest)
    }
  }
  const directoriesOf = (fn: DigestFunction): KnownDirectories => ({
    get: (text) => kept.get(`d:${fn}/${text}`) as re.Directory | undefined,
    set: (text, directory) => keep(`d:${fn}/${text}`, directory, Number(text.slice(text.indexOf('/') + 1))),
  })

  return {
    async load(commandDigest, inputRoot, carried, signal) {
      const readBlobs = readerOf(cas, carried, inputRoot.fn)
      const known = directoriesOf(inputRoot.fn)
      const commandKey = `c:${digestKey(commandDigest)}`
      let command = kept.get(commandKey) as re.Command | undefined
      const rootKnown = inputRoot.size === 0 || known.get(digestText(inputRoot)) !== undefined
      // The usual case is one call: a new command, and perhaps a new root.
      const wanted = [...(command ? [] : [commandDigest]), ...(rootKnown ? [] : [inputRoot])]
      if (wanted.length > 0) {
        const blobs = await readBlobs(wanted, signal)
        const missing = wanted.filter((digest) => !blobs.has(digestText(digest)))
        if (missing.length > 0) throw new MissingInputs(missing)
        command ??= decodeBlob(re.Command, commandDigest, blobs.get(digestText(commandDigest)) ?? new Uint8Array())
        if (!rootKnown) known.set(digestText(inputRoot), parseDirectory(inputRoot, blobs.get(digestText(inputRoot))))
      }
      if (!command) throw new Failure('internal', 'no command was read')
      keep(commandKey, command, commandDigest.size)
      return { command, directories: await loadDirectories(readBlobs, inputRoot, known, signal) }
    },
  }
}

/** Reads blobs: those that came with the action, found by their own hash, and the rest from storage. */
function readerOf(cas: CasClient, carried: readonly Uint8Array[], fn: DigestFunction): CasClient['readBlobs'] {
  const here = new Map(carried.map((bytes) => [digestText(digestOf(fn, bytes)), bytes]))
  return async (digests, signal) => {
    const absent = digests.filter((digest) => !here.has(digestText(digest)))
    const found = absent.length > 0 ? await cas.readBlobs(absent, signal) : new Map<string, Uint8Array>()
    for (const digest of digests) {
      const bytes = here.get(digestText(digest))
      if (bytes) found.set(digestText(digest), bytes)
    }
    return found
  }
}

async function loadDirectories(
  read: CasClient['readBlobs'],
  inputRoot: Digest,
  known: KnownDirectories,
  signal: AbortSignal,
): Promise<Directories> {
  const missing: Digest[] = []
  // Everything missing on one level is reported at once, not one blob at a time.
  const readBlobs = async (digests: readonly Digest[]) => {
    const blobs = await read(digests, signal)
    missing.push(...digests.filter((digest) => !blobs.has(digestText(digest))))
    if (missing.length > 0) throw new MissingInputs(missing)
    return blobs
  }
  return fetchDirectories({ readBlobs }, [inputRoot], known, signal)
}
