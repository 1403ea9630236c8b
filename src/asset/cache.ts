import type { Digest, DigestFunction } from '../core/digest.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Results } from '../store/results.ts'

/** What assets need of the cache that they are kept in. */
export interface AssetCache {
  readonly blobs: Blobs
  /** Names of assets lie among the action results, so that the same bound and eviction hold for them. */
  readonly results: Results
  /** Stores something; uploads that stand still give up their room before that is refused. */
  withRoom<T>(store: () => Promise<T>): Promise<T>
  /**
   * Stores a blob that comes in pieces, as one of the uploads of that client.
   * @throws Failure 'invalid' when the bytes are not the digest's; what the pieces throw
   */
  storeStream(client: string, digest: Digest, pieces: AsyncIterable<Uint8Array>): Promise<void>
  /**
   * Those that are absent of these blobs, and of the directories and all that is in them; touches
   * the others.
   * @throws Failure 'invalid' for what is not a directory
   */
  missing(fn: DigestFunction, blobs: readonly Digest[], directories: readonly Digest[]): Promise<readonly Digest[]>
  /** Bytes that a blob may have. */
  readonly blobBytesMax: number
  /** The same for one that is stored in pieces before it is whole. */
  readonly piecesBytesMax: number
  /** Whether clients may say what stands under a name. */
  readonly updateEnabled: boolean
}
