import { type Digest, digestKey } from '../core/digest.ts'
import { chunkBytesMax } from '../core/limits.ts'

/**
 * Up to this size, synchronous calls are several times faster than asynchronous ones and still do not block for long.
 */
export const smallFileBytesMax = chunkBytesMax

/** A file that an action needs: a blob, executable or not. */
export interface Need {
  readonly digest: Digest
  readonly executable: boolean
}

/** The key of a need; the same blob is a different file when it is executable. */
export function needKey(need: Need): string {
  return digestKey(need.digest) + (need.executable ? 'x' : '')
}
