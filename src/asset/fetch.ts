import { type Digest, type DigestFunction, digestFunctions } from '../core/digest.ts'
import { decodeMessage } from '../wire/decode.ts'
import { asset, type rpc } from '../wire/proto.ts'
import { type Call, Code } from '../wire/rpc.ts'
import { statusMessage } from '../wire/status.ts'
import { AtOrigin } from './at-origin.ts'
import { readsStatus } from './caller.ts'
import type { Checked, Known, Retrieved } from './content.ts'
import type { AssetContext } from './context.ts'
import type { FetchResult, Kind } from './counts.ts'
import { checksummed, checksumName, located, pushed } from './known.ts'
import { fetchable } from './origin.ts'
import { type FetchRequest, readFetchRequest } from './request.ts'
import { AtUri, retrieve } from './retrieve.ts'
import { type Terms, termsOf } from './terms.ts'
import { unpack } from './unpack.ts'

/** Content that was found, and how. */
interface Found extends Known {
  readonly result: FetchResult
}

/** The response of a call, for either kind. */
interface Answer {
  readonly status: rpc.Status.$Properties
  readonly uri: string
  readonly digest?: Digest
  readonly digestFunction: number
}

export async function fetchBlob(context: AssetContext, bytes: Buffer, call: Call): Promise<Uint8Array> {
  const message = decodeMessage(asset.FetchBlobRequest, bytes)
  const { digest, ...answer } = await answered(context, 'blob', message, call, (request) =>
    blob(context, request, call),
  )
  return asset.FetchBlobResponse.encode({ ...answer, ...(digest && { blobDigest: wire(digest) }) }).finish()
}

export async function fetchDirectory(context: AssetContext, bytes: Buffer, call: Call): Promise<Uint8Array> {
  const message = decodeMessage(asset.FetchDirectoryRequest, bytes)
  const { digest, ...answer } = await answered(context, 'directory', message, call, (request) =>
    directory(context, request, call),
  )
  return asset.FetchDirectoryResponse.encode({
    ...answer,
    ...(digest && { rootDirectoryDigest: wire(digest) }),
  }).finish()
}

/** Pushed content comes first; then cached content with that checksum; then the origins are asked. */
async function blob(context: AssetContext, request: FetchRequest, call: Call): Promise<Found> {
  const known = await pushed(context, 'blob', request)
  if (known) return { ...known, result: 'pushed' }
  const terms = fetchTerms('blob', request)
  const cached = await cachedBlob(context, request, terms)
  if (cached) return { digest: cached.digest, uri: request.uris[0] ?? '', result: 'cached' }
  const { digest, uri } = await download(context, request, terms, call)
  return { digest, uri, result: 'fetched' }
}

/** The same for a directory, which is an archive at its origin. */
async function directory(context: AssetContext, request: FetchRequest, call: Call): Promise<Found> {
  const known = await pushed(context, 'directory', request)
  if (known) return { ...known, result: 'pushed' }
  const terms = fetchTerms('directory', request)
  const cached = await checksummed(context, 'directory', terms.checksums, folderOf(terms), request)
  if (cached) return { digest: cached.digest, uri: request.uris[0] ?? '', result: 'cached' }
  const { qualifiers, fn, uris, ...limits } = request
  const { digest, uri } = await context.unpacking.join({
    ...limits,
    key: JSON.stringify([fn, uris, ...qualifiers]),
    signal: call.signal,
    start: (signal) => unpacked(context, request, terms, { peer: call.peer, signal }),
  })
  return { digest, uri, result: 'fetched' }
}

/** @throws AtOrigin NOT_FOUND if the URIs can only name pushed content; what termsOf throws */
function fetchTerms(kind: Kind, request: FetchRequest): Terms {
  if (request.uris.some((uri) => fetchable(uri))) return termsOf(kind, request)
  throw notFound()
}

/** What distinguishes a directory beyond the checksum of its archive. */
function folderOf({ canonicalId, directory }: Terms): readonly string[] {
  return [canonicalId, directory]
}

async function unpacked(
  context: AssetContext,
  request: FetchRequest,
  terms: Terms,
  caller: Caller,
): Promise<Retrieved> {
  const cached = await cachedBlob(context, request, terms)
  const archive = cached ? { ...cached, uri: request.uris[0] ?? '' } : await download(context, request, terms, caller)
  const digest = await context.unpackSemaphore(() =>
    unpack(context.cache, caller.peer, archive.digest, terms.directory, caller.signal).catch((error: unknown) => {
      throw error instanceof AtOrigin ? new AtUri(archive.uri, error) : error
    }),
  )
  const retrieved = { ...archive, digest }
  await remember(context, 'directory', retrieved, folderOf(terms), request.fn)
  return retrieved
}

/**
 * Without a canonical id, content is judged by its checksum alone; with one, it also matters what it was fetched for.
 */
async function cachedBlob(
  context: AssetContext,
  request: FetchRequest,
  { checksums, canonicalId }: Terms,
): Promise<Checked | undefined> {
  const named = await checksummed(context, 'blob', checksums, [canonicalId], request)
  const anyAge = request.oldestMs === Number.NEGATIVE_INFINITY
  return named ?? (anyAge && canonicalId === '' ? located(context, checksums, request.fn) : undefined)
}

/** The caller that waits for a download. */
type Caller = Pick<Call, 'peer' | 'signal'>

async function download(
  context: AssetContext,
  request: FetchRequest,
  terms: Terms,
  { peer, signal }: Caller,
): Promise<Retrieved> {
  if (!context.fetchEnabled) throw notFound()
  const { uris, qualifiers, fn, ...limits } = request
  const { headers, checksums, canonicalId } = terms
  return context.flights.join({
    ...limits,
    key: JSON.stringify([fn, uris, ...qualifiers]),
    signal,
    async start(ended, sinceMs) {
      const found = await retrieve(context.retriever, peer, { uris, headers, checksums, fn }, ended)
      const retrieved = { ...found, sinceMs }
      await remember(context, 'blob', retrieved, [canonicalId], fn)
      return retrieved
    },
  })
}

/** Also stores content under the name of the checksum that it has turned out to have. */
async function remember(
  { names }: AssetContext,
  kind: Kind,
  { digest, checksums, sinceMs }: Checked,
  more: readonly string[],
  fn: DigestFunction,
): Promise<void> {
  for (const checksum of checksums)
    await names.put(checksumName(kind, checksum, more), fn, { digest, sinceMs, blobs: [], directories: [] })
}

/** URIs with a scheme other than HTTP's can only name pushed content, as can all of them if fetching is disabled. */
function notFound(): AtOrigin {
  return new AtOrigin(Code.NOT_FOUND, 'nothing has been pushed under this URI and these qualifiers')
}

/** Makes a response of what was found, or of what went wrong at the origin. Other errors fail the call. */
async function answered(
  context: AssetContext,
  kind: Kind,
  message: asset.FetchBlobRequest | asset.FetchDirectoryRequest,
  call: Call,
  find: (request: FetchRequest) => Promise<Found>,
): Promise<Answer> {
  try {
    const request = readFetchRequest(context, message)
    const { result, ...found } = await find(request)
    context.counts.fetch(kind, result)
    return { status: { code: Code.OK }, ...found, digestFunction: functionValue(request.fn) }
  } catch (error) {
    context.counts.fetch(kind, error instanceof AtOrigin ? 'failed' : 'refused')
    if (!(error instanceof AtOrigin) || !readsStatus(call)) throw error
    const uri = error instanceof AtUri ? error.uri : (message.uris[0] ?? '')
    return { status: statusMessage(error), uri, digestFunction: message.digestFunction || functionValue('sha256') }
  }
}

function functionValue(fn: DigestFunction): number {
  return digestFunctions[fn].value
}

function wire({ hash, size }: Digest): { hash: string; sizeBytes: number } {
  return { hash, sizeBytes: size }
}
