import { Failure } from './failure.ts'

/** The digest functions that we compute, named as in resource names and flags. */
export type DigestFunction = 'sha256' | 'sha1' | 'sha384' | 'sha512' | 'blake3'

/** Identifies a blob: the digest function, its hash, and the blob's size. */
export interface Digest {
  readonly fn: DigestFunction
  /** Lower-case hexadecimal, of the function's full length. */
  readonly hash: string
  /** Bytes, uncompressed. */
  readonly size: number
}

interface FunctionFacts {
  /** DigestFunction.Value in the Remote Execution API. */
  readonly value: number
  readonly hexLength: number
  /** True if a resource name must name the function, since the hash's length does not tell it. */
  readonly named: boolean
}

/** What the API defines for each function that we compute. */
export const digestFunctions: Readonly<Record<DigestFunction, FunctionFacts>> = {
  sha256: { value: 1, hexLength: 64, named: false },
  sha1: { value: 2, hexLength: 40, named: false },
  sha384: { value: 5, hexLength: 96, named: false },
  sha512: { value: 6, hexLength: 128, named: false },
  blake3: { value: 9, hexLength: 64, named: true },
}

const unknownFunction = 0
/** What `DigestFunction.Value` means, of those that we compute. */
export const functionByValue: ReadonlyMap<number, DigestFunction> = new Map(
  (Object.keys(digestFunctions) as DigestFunction[]).map((fn) => [digestFunctions[fn].value, fn]),
)
const byLength = new Map(
  (Object.keys(digestFunctions) as DigestFunction[])
    .filter((fn) => !digestFunctions[fn].named)
    .map((fn) => [digestFunctions[fn].hexLength, fn]),
)
/** 1 for the codes of lower-case hexadecimal digits: many times faster than a regular expression. */
const hexDigits = Uint8Array.from({ length: 256 }, (_, code) =>
  '0123456789abcdef'.includes(String.fromCharCode(code)) ? 1 : 0,
)

/**
 * The function that a message names; if it names none, the one that the hash's length implies (remote_execution.proto,
 * DigestFunction).
 * @throws Failure 'invalid' for a function that we do not compute, or a length that none has
 */
export function digestFunctionOf(value: number, hash: string): DigestFunction {
  const fn = value === unknownFunction ? byLength.get(hash.length) : functionByValue.get(value)
  if (fn) return fn
  throw new Failure(
    'invalid',
    value === unknownFunction
      ? `no digest function gives a hash of ${hash.length} characters`
      : `this server does not compute digest function ${value}`,
    { where: hash.slice(0, 128) },
  )
}

/** A digest as it arrives on the wire. */
export interface WireDigest {
  readonly hash?: string | null
  readonly sizeBytes?: number | null
  /** Whether the hash is lower-case hexadecimal, if the reader has already checked (isHex). */
  readonly hex?: boolean
}

/** Are these bytes lower-case hexadecimal digits in ASCII? */
export function isHex(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (hexDigits[bytes[at] ?? 0] !== 1) return false
  return true
}

function isHexText(text: string): boolean {
  // Codes outside the table yield undefined.
  for (let at = 0; at < text.length; at += 1) if (hexDigits[text.charCodeAt(at)] !== 1) return false
  return true
}

/**
 * Checks a digest from the wire: present, lower-case hex of the right length, a size that is an integer from 0 to
 * 2^53 - 1.
 * @param value the message's DigestFunction.Value; 0 infers it from the hash
 * @param field the message's name for it, for the error
 * @throws Failure 'invalid'
 */
export function digestFromWire(wire: WireDigest | null | undefined, value: number, field = 'digest'): Digest {
  if (!wire) throw new Failure('invalid', `${field} is missing`)
  const hash = wire.hash ?? ''
  return digestOfParts(digestFunctionOf(value, hash), hash, wire.hex ?? isHexText(hash), wire.sizeBytes ?? 0, field)
}

/**
 * A digest made of these parts, checked.
 * @throws Failure 'invalid' if the hash or the size is not valid
 */
export function checkedDigest(fn: DigestFunction, hash: string, size: number, field = 'digest'): Digest {
  return digestOfParts(fn, hash, isHexText(hash), size, field)
}

function digestOfParts(fn: DigestFunction, hash: string, hex: boolean, size: number, field: string): Digest {
  if (!hex || hash.length !== digestFunctions[fn].hexLength)
    throw new Failure(
      'invalid',
      `${field}: a ${fn} hash is ${digestFunctions[fn].hexLength} lower-case hexadecimal digits`,
      { where: hash.slice(0, 128) },
    )
  if (!Number.isSafeInteger(size) || size < 0)
    throw new Failure('invalid', `${field}: the size must be a whole number from 0 to 2^53 - 1`, {
      where: `${hash}/${size}`,
    })
  return { fn, hash, size }
}

/** `hash/size`, as people and log lines write it. */
export function digestText(digest: Digest): string {
  return `${digest.hash}/${digest.size}`
}

/** A key that also distinguishes digest functions. */
export function digestKey(digest: Digest): string {
  return `${digest.fn}/${digest.hash}/${digest.size}`
}

/** Do both name the same blob? */
export function sameDigest(a: Digest, b: Digest): boolean {
  return a.hash === b.hash && a.size === b.size && a.fn === b.fn
}
