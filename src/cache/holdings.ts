import type { Digest, DigestFunction } from '../core/digest.ts'
import type { CacheContext } from './context.ts'
import { blobBytesMax, piecesBytesMax } from './http/content.ts'
import type { References } from './references.ts'
import { storeStream } from './upload-stream.ts'
import type { Uploads } from './uploads.ts'

/** The cache for services of other rooms that keep content in it, with the bounds that hold for its clients. */
export function createHoldings(context: CacheContext, uploads: Uploads, references: References) {
  return {
    blobs: context.blobs,
    results: context.results,
    withRoom: uploads.withRoom,
    storeStream: (client: string, digest: Digest, pieces: AsyncIterable<Uint8Array>) =>
      storeStream(uploads, 'asset', client, digest, pieces),
    missing(fn: DigestFunction, blobs: readonly Digest[], directories: readonly Digest[]) {
      const result = {
        outputFiles: blobs.map((digest) => ({ digest: wire(digest) })),
        outputDirectories: directories.map((digest) => ({ rootDirectoryDigest: wire(digest) })),
      }
      return references.missing(result, fn, true)
    },
    blobBytesMax: blobBytesMax(context),
    piecesBytesMax: piecesBytesMax(context),
    updateEnabled: context.updateEnabled,
  }
}

function wire({ hash, size }: Digest): { hash: string; sizeBytes: number } {
  return { hash, sizeBytes: size }
}
