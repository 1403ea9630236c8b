import type { Digest } from '../core/digest.ts'

/**
 * Where action results live, by the digest of their action. The value is a serialised
 * ActionResult; unlike a blob it can be replaced. The cache room judges what it refers to.
 */
export interface Results {
  /** The newest value, or undefined; counts as a use. */
  get(action: Digest): Promise<Uint8Array | undefined>
  /** Stores or replaces; a kill -9 after it has settled does not lose it. Copies what it keeps. */
  put(action: Digest, value: Uint8Array): Promise<void>
  delete(action: Digest): Promise<void>
  close(): Promise<void>
}
