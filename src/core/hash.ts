import { createHash, hash as hashOnce } from 'node:crypto'
import type { Digest, DigestFunction } from './digest.ts'
import { Failure } from './failure.ts'

/** Computes one hash piece by piece. */
export interface Hasher {
  update(chunk: Uint8Array): void
  /** Lower-case hex; may be asked once. */
  hex(): string
}

/** Those of the API's functions that this process can compute, in order of preference. */
export const computableFunctions: readonly DigestFunction[] = ['sha256', 'sha1', 'sha384', 'sha512']

/**
 * A fresh hasher.
 * @throws Failure 'unimplemented' for a function that this process cannot compute
 */
export function createHasher(fn: DigestFunction): Hasher {
  assertComputable(fn)
  const hash = createHash(fn)
  return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest('hex') }
}

/** The digest of bytes that are at hand; for small ones several times faster than a hasher. */
export function digestOf(fn: DigestFunction, bytes: Uint8Array): Digest {
  assertComputable(fn)
  return { fn, hash: hashOnce(fn, bytes, 'hex'), size: bytes.byteLength }
}

function assertComputable(fn: DigestFunction): void {
  if (!computableFunctions.includes(fn)) throw new Failure('unimplemented', `this build cannot compute ${fn} digests`)
}
