import { createHash, type Hash, hash as hashOnce } from 'node:crypto'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'

/** The algorithms that the image specification registers and that we compute. */
export type DigestAlgorithm = 'sha256' | 'sha512'

/**
 * How OCI names content: algorithm and lower-case hex. Its size stands beside it in a
 * descriptor, or is unknown (a manifest asked for by digest), so core's Digest does not fit.
 */
export type ContentDigest = `${DigestAlgorithm}:${string}`

const hexLength: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 }
const grammar = /^(sha256|sha512):([0-9a-f]+)$/

/** Is this text a digest that we can compute? */
export function isContentDigest(text: string): text is ContentDigest {
  const match = grammar.exec(text)
  return match !== null && match[2]?.length === hexLength[match[1] as DigestAlgorithm]
}

/** A digest in a document. */
export const contentDigestSchema = z.custom<ContentDigest>(
  (value) => typeof value === 'string' && isContentDigest(value),
  'expected a digest',
)

/**
 * A digest as written in a reference, a manifest or a header.
 * @throws Failure 'invalid' for another algorithm, upper-case hex or a wrong length
 */
export function parseContentDigest(text: string): ContentDigest {
  if (isContentDigest(text)) return text
  throw new Failure(
    'invalid',
    'a content digest is sha256: and 64, or sha512: and 128, lower-case hexadecimal digits',
    {
      where: text.slice(0, 160),
    },
  )
}

/** The digest of bytes in memory, sha256 by default. */
export function contentDigestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): ContentDigest {
  return `${algorithm}:${hashOnce(algorithm, bytes, 'hex')}`
}

/** A hash for streamed content. */
export function contentHash(algorithm: DigestAlgorithm = 'sha256'): Hash {
  return createHash(algorithm)
}

/** sha256 or sha512. */
export function algorithmOf(digest: ContentDigest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/** The hexadecimal part: safe as a file name, since it contains only 0-9a-f. */
export function hexOf(digest: ContentDigest): string {
  return digest.slice(digest.indexOf(':') + 1)
}
