import { type Digest, type DigestFunction, digestFromWire, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { computableFunctions } from '../core/hash.ts'
import { assertInstance } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { asset, type re } from '../wire/proto.ts'
import { missingBlobs } from '../wire/status.ts'
import { fromTimestamp } from '../wire/time.ts'
import type { AssetContext } from './context.ts'
import type { Kind } from './counts.ts'
import { absentOf, pushedName } from './known.ts'
import { qualifierSet } from './qualifiers.ts'
import { checkedUris } from './request.ts'

/** Blobs and directories that an asset may refer to, so that its entry stays below a message's size. */
const referencesMax = 20_000

export async function pushBlob(context: AssetContext, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(asset.PushBlobRequest, bytes)
  await push(context, 'blob', request, request.blobDigest, 'blob_digest')
  return asset.PushBlobResponse.encode({}).finish()
}

export async function pushDirectory(context: AssetContext, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(asset.PushDirectoryRequest, bytes)
  await push(context, 'directory', request, request.rootDirectoryDigest, 'root_directory_digest')
  return asset.PushDirectoryResponse.encode({}).finish()
}

/**
 * Sets the content of each of the URIs with these qualifiers; all of it has to be there. A later push replaces an
 * earlier one, including its expiry; one that has already expired only removes the earlier one.
 * @throws Failure 'denied' if clients may not write; 'invalid'; RpcError FAILED_PRECONDITION that names what is
 *   absent
 */
async function push(
  context: AssetContext,
  kind: Kind,
  request: asset.PushBlobRequest | asset.PushDirectoryRequest,
  wire: re.Digest.$Properties | null | undefined,
  field: string,
): Promise<void> {
  assertInstance(request.instanceName, context.instances)
  assertWritable(context)
  const uris = checkedUris(request.uris)
  const qualifiers = qualifierSet(request.qualifiers)
  const digest = digestFromWire(wire, request.digestFunction, field)
  const { fn } = digest
  assertComputable(fn)
  const untilMs = request.expireAt ? fromTimestamp(request.expireAt, 'expire_at') : undefined
  const pushed = { digest, untilMs, sinceMs: context.clock.now(), ...referencesOf(request, fn) }
  const isOver = untilMs !== undefined && untilMs <= pushed.sinceMs
  const missing = isOver ? [] : await absentOf(context, kind, fn, pushed)
  if (missing.length > 0) throw missingBlobs(missing, 'the asset, or what it refers to, is not here')
  for (const uri of uris) {
    const name = pushedName(kind, uri, qualifiers)
    await (isOver ? context.names.delete(name, fn) : context.names.put(name, fn, pushed))
  }
  context.counts.push(kind)
}

/** A name leads to outputs as an action result does: clients that may not write those may not write this either. */
function assertWritable({ cache }: AssetContext): void {
  if (cache.updateEnabled) return
  throw new Failure('denied', 'this server does not accept assets from clients', {
    next: ['Set action_cache.update in its configuration.'],
  })
}

function assertComputable(fn: DigestFunction): void {
  if (computableFunctions.includes(fn)) return
  throw new Failure('invalid', `this server does not compute ${fn} digests`)
}

/** All digests of a request use the same function. */
function referencesOf(
  { referencesBlobs, referencesDirectories }: asset.PushBlobRequest | asset.PushDirectoryRequest,
  fn: DigestFunction,
): { blobs: Digest[]; directories: Digest[] } {
  if (referencesBlobs.length + referencesDirectories.length > referencesMax)
    throw new Failure('invalid', `an asset refers to at most ${referencesMax} blobs and directories`)
  const read = (field: string) => (each: re.Digest.$Properties) =>
    digestFromWire(each, digestFunctions[fn].value, field)
  return {
    blobs: referencesBlobs.map(read('references_blobs')),
    directories: referencesDirectories.map(read('references_directories')),
  }
}
