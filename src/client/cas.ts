import type { Digest, DigestFunction } from '../core/digest.ts'
import type { Channel } from '../wire/rpc.ts'
import { type ClientOptions, clientContext } from './context.ts'
import { downloadFile } from './download.ts'
import { findMissing } from './find.ts'
import { absent, readBlobs, readStream } from './read.ts'
import type { BlobSource } from './source.ts'
import { upload } from './upload.ts'

/**
 * A client of a server's content addressable storage. Every call retries transient failures and fails with an RpcError
 * or a Failure; a signal ends it with RpcError CANCELLED.
 */
export interface CasClient {
  readonly instance: string
  readonly fn: DigestFunction
  /** Which of the digests the server lacks, each once. */
  findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]>
  /** Sends blobs without asking whether they are missing. */
  upload(sources: readonly BlobSource[], signal?: AbortSignal): Promise<void>
  /** Asks first, and sends what is missing; onPlanned hears the number of bytes before that. */
  uploadMissing(
    sources: readonly BlobSource[],
    signal?: AbortSignal,
    onPlanned?: (bytes: number) => void,
  ): Promise<UploadReport>
  /**
   * One whole blob in memory, verified.
   * @throws Failure 'not-found', 'corrupt'
   */
  readBlob(digest: Digest, signal?: AbortSignal): Promise<Uint8Array>
  /** Several blobs, by `hash/size`; absent ones are left out. All are in memory at once. */
  readBlobs(digests: readonly Digest[], signal?: AbortSignal): Promise<Map<string, Uint8Array>>
  /** Streams a blob piece by piece; it is verified only once the iteration has ended without an error. */
  readStream(digest: Digest, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Writes a blob to a new file; no file is left on failure. */
  downloadFile(
    digest: Digest,
    path: string,
    mode: number,
    signal?: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<void>
}

/** What uploadMissing did. */
export interface UploadReport {
  readonly blobs: number
  readonly bytes: number
  /** Blobs that the server already had. */
  readonly present: number
}

/** Opens a client on a channel; nothing to close. */
export function createCasClient(channel: Channel, options: ClientOptions = {}): CasClient {
  const context = clientContext(channel, options)
  return {
    instance: context.instance,
    fn: context.fn,
    findMissing: (digests, signal) => findMissing(context, digests, signal),
    upload: (sources, signal) => upload(context, sources, signal),
    async uploadMissing(sources, signal, onPlanned) {
      const asked = new Map(sources.map((source) => [source.digest.hash, source.digest]))
      const missing = await findMissing(context, [...asked.values()], signal)
      const bytes = missing.reduce((sum, digest) => sum + digest.size, 0)
      onPlanned?.(bytes)
      const hashes = new Set(missing.map((digest) => digest.hash))
      await upload(
        context,
        sources.filter((source) => hashes.has(source.digest.hash)),
        signal,
      )
      return { blobs: missing.length, bytes, present: asked.size - missing.length }
    },
    async readBlob(digest, signal) {
      const [bytes] = (await readBlobs(context, [digest], signal)).values()
      if (!bytes) throw absent(digest)
      return bytes
    },
    readBlobs: (digests, signal) => readBlobs(context, digests, signal),
    readStream: (digest, signal) => readStream(context, digest, signal),
    downloadFile: (digest, path, mode, signal, onBytes) => downloadFile(context, digest, path, mode, signal, onBytes),
  }
}
