import { createHash, hash as hashOnce } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Digest, DigestFunction } from './digest.ts'
import { Failure } from './failure.ts'

/** Computes one hash incrementally. */
export interface Hasher {
  update(chunk: Uint8Array): void
  /** Lower-case hex; may be called once. */
  hex(): string
}

interface Blake3Package {
  blake3(input: Uint8Array): Buffer
  Blake3Hasher: new () => { update(input: Uint8Array): unknown; digest(format: 'hex'): string }
}

// Node has no BLAKE3. The package is optional: it has binaries for every common platform, and without one the function
// is simply not offered.
const blake3 = loadBlake3()

/** The API's functions that this process can compute, in order of preference. */
export const computableFunctions: readonly DigestFunction[] = [
  'sha256',
  ...(blake3 ? (['blake3'] as const) : []),
  'sha1',
  'sha384',
  'sha512',
]

/**
 * A fresh hasher.
 * @throws Failure 'unimplemented' for a function that this process cannot compute
 */
export function createHasher(fn: DigestFunction): Hasher {
  if (fn === 'blake3') {
    const hash = new (blake3OrThrow().Blake3Hasher)()
    return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest('hex') }
  }
  const hash = createHash(fn)
  return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest('hex') }
}

/** The digest of bytes in memory; for small ones several times faster than a hasher. */
export function digestOf(fn: DigestFunction, bytes: Uint8Array): Digest {
  const hash = fn === 'blake3' ? blake3OrThrow().blake3(bytes).toString('hex') : hashOnce(fn, bytes, 'hex')
  return { fn, hash, size: bytes.byteLength }
}

function blake3OrThrow(): Blake3Package {
  if (blake3) return blake3
  throw new Failure(
    'unimplemented',
    'BLAKE3 digests cannot be computed on this machine: the package for them has no binary for this platform',
  )
}

function loadBlake3(): Blake3Package | undefined {
  try {
    return createRequire(import.meta.url)('@napi-rs/blake-hash') as Blake3Package
  } catch {
    // Not installed, no binary for this platform, or one that does not fit the system's libraries: the loader throws a
    // different error for each, and none of them is a reason to fail for the other functions.
    return undefined
  }
}
