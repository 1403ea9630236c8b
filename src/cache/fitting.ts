import type { Digest } from '../core/digest.ts'
import { messageBytesMax } from '../core/limits.ts'
import { digestLength, fieldLength, varintLength } from '../wire/emit.ts'

/** What a status takes that is a code without a text. */
const codeBytes = 4
/** Tag and value of an answer's compressor. */
const compressorBytes = 2

/**
 * Which blobs of a batch have room in an answer of 4 MiB, asked one after the other in the order
 * of the answer: what is left for bytes beside the digests and statuses of all. Where not even
 * those fit, only a client that takes longer messages can have asked: then all blobs do.
 */
export function fitting(digests: readonly Digest[]): (digest: Digest) => boolean {
  let left = messageBytesMax
  for (const digest of digests) left -= fieldLength(bareLength(digest))
  if (left < 0) return () => true
  return (digest) => {
    // The length before the whole grows with it.
    const more = fieldLength(digest.size) + compressorBytes + varintLength(digest.size)
    if (more > left) return false
    left -= more
    return true
  }
}

function bareLength(digest: Digest): number {
  return fieldLength(digestLength(digest)) + fieldLength(codeBytes)
}
