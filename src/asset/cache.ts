import type { Digest, DigestFunction } from '../core/digest.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Results } from '../store/results.ts'

/** What assets need from the cache that stores them. */
export interface AssetCache {
  readonly blobs: Blobs
  /** Asset names are stored among the action results, so that the same bounds and eviction apply. */
  readonly results: Results
  /** Stores something; stalled uploads give up their space before this is refused. */
  withRoom<T>(store: () => Promise<T>): Promise<T>
  /**
   * Stores a blob that arrives in pieces, as one of the uploads of that client.
   * @throws Failure 'invalid' when the bytes do not match the digest; what the pieces throw
   */
  storeStream(client: string, digest: Digest, pieces: AsyncIterable<Uint8Array>): Promise<void>
  /**
   * Which of these blobs, and of the directories with all their contents, are absent; touches the others.
   * @throws Failure 'invalid' for what is not a directory
   */
  missing(fn: DigestFunction, blobs: readonly Digest[], directories: readonly Digest[]): Promise<readonly Digest[]>
  /** Maximum size of a blob. */
  readonly blobBytesMax: number
  /** The same for one that is stored in pieces first. */
  readonly piecesBytesMax: number
  /** Whether clients may set the content of a name. */
  readonly updateEnabled: boolean
}
