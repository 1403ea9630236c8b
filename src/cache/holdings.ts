import type { Digest, DigestFunction } from '../core/digest.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Results } from '../store/results.ts'
import type { CacheContext } from './context.ts'
import { blobBytesMax, piecesBytesMax } from './http/content.ts'
import type { References } from './references.ts'
import { storeStream } from './upload-stream.ts'
import type { Uploads } from './uploads.ts'

/** The cache for services of other rooms that keep content in it, with the bounds that hold for its clients. */
export interface Holdings {
  readonly blobs: Blobs
  readonly results: Results
  /** Stores something; uploads that stand still give up their room before that is refused. */
  withRoom<T>(store: () => Promise<T>): Promise<T>
  /** Stores what comes in pieces, as an upload of that client. */
  storeStream(client: string, digest: Digest, pieces: AsyncIterable<Uint8Array>): Promise<void>
  /** Those that are absent of these blobs, and of the directories and all that is in them; touches the others. */
  missing(fn: DigestFunction, blobs: readonly Digest[], directories: readonly Digest[]): Promise<readonly Digest[]>
  readonly blobBytesMax: number
  readonly piecesBytesMax: number
  readonly updateEnabled: boolean
}

export function createHoldings(context: CacheContext, uploads: Uploads, references: References): Holdings {
  return {
    blobs: context.blobs,
    results: context.results,
    withRoom: uploads.withRoom,
    storeStream: (client, digest, pieces) => storeStream(uploads, 'asset', client, digest, pieces),
    missing(fn, blobs, directories) {
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
