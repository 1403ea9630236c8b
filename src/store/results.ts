import type { Digest, DigestFunction } from '../core/digest.ts'

/**
 * Where action results live, by the digest of their action. The value is a serialised
 * ActionResult; unlike a blob it can be replaced. The cache room judges what it refers to.
 */
export interface Results {
  /** The newest value, or undefined; counts as a use. */
  get(action: Digest): Promise<Uint8Array | undefined>
  /**
   * The digest under which a result is stored for an action of this hash, for callers that know no
   * size; the one used last where there are several; undefined where there is none. No use of it.
   */
  locate(fn: DigestFunction, hash: string): Promise<Digest | undefined>
  /** Stores or replaces; a kill -9 after it has settled does not lose it. Copies what it keeps. */
  put(action: Digest, value: Uint8Array): Promise<void>
  delete(action: Digest): Promise<void>
  close(): Promise<void>
}
