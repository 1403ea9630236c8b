import type { DigestFunction } from '../core/digest.ts'
import { digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'

/** A hash that content must have. */
export interface Checksum {
  readonly fn: 'sha1' | 'sha256' | 'sha384' | 'sha512'
  /** Lower-case hexadecimal. */
  readonly hash: string
}

const functions: readonly Checksum['fn'][] = ['sha256', 'sha384', 'sha512', 'sha1']
const checksumsMax = 16

/**
 * Parses the checksums of a Subresource Integrity value (qualifiers.md of the Remote Asset API): `sha256-BASE64`,
 * several separated by white space, one of which has to match. Unknown functions are ignored, as in W3C's SRI (section
 * 3.3), and so are options after a question mark.
 * @throws Failure 'invalid' for a malformed one, or if none is left
 */
export function parseChecksums(text: string): readonly Checksum[] {
  const parts = text.split(/[ \t\r\n\f]+/).filter((part) => part !== '')
  if (parts.length > checksumsMax) throw malformed(`more than ${checksumsMax} checksums`)
  const checksums = parts.flatMap((part) => parseOne(part) ?? [])
  if (checksums.length > 0) return checksums
  throw malformed(`none of its checksums is one of ${functions.join(', ')}`)
}

function parseOne(part: string): Checksum | undefined {
  const [, name = '', value = ''] = /^([a-z0-9]+)-([^?]*)(?:\?.*)?$/i.exec(part) ?? []
  if (value === '') throw malformed(`"${part.slice(0, 100)}" is not FUNCTION-BASE64`)
  const fn = functions.find((each) => each === name.toLowerCase())
  if (!fn) return undefined
  const hash = Buffer.from(value, 'base64').toString('hex')
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(value) || hash.length !== digestFunctions[fn].hexLength)
    throw malformed(`"${part.slice(0, 100)}" does not hold the base64 of a ${fn} hash`)
  return { fn, hash }
}

/** The checksum that is also a digest hash of this function, if it is the only one. */
export function onlyOf(checksums: readonly Checksum[], fn: DigestFunction): Checksum | undefined {
  const [only, ...others] = checksums
  return only?.fn === fn && others.length === 0 ? only : undefined
}

function malformed(why: string): Failure {
  return new Failure('invalid', `the qualifier checksum.sri: ${why}`)
}
