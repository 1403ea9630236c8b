import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import type { Blobs } from '../store/blobs.ts'

/**
 * A blob whole, also one that is a little too large for Blobs.get: for messages (a
 * Directory, a batch), whose size is bounded by the caller.
 * @param sizeMax bytes; a larger blob is refused before a byte of it is read
 * @throws Failure 'invalid'
 */
export function readWhole(blobs: Blobs, digest: Digest, sizeMax: number): Promise<Uint8Array | undefined> {
  return digest.size <= Math.min(sizeMax, smallBlobBytesMax) ? blobs.get(digest) : readLarge(blobs, digest, sizeMax)
}

async function readLarge(blobs: Blobs, digest: Digest, sizeMax: number): Promise<Uint8Array | undefined> {
  if (digest.size > sizeMax)
    throw new Failure('invalid', `a blob of ${digest.size} bytes is too large to be read at once`, {
      where: digest.hash,
    })
  const pieces = await blobs.read(digest)
  if (!pieces) return undefined
  const whole = Buffer.allocUnsafe(digest.size)
  let at = 0
  for await (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  if (at === digest.size) return whole
  throw new Failure('corrupt', `the blob ended after ${at} of ${digest.size} bytes`, { where: digest.hash })
}
