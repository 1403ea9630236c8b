import { checkedDigest, type Digest, type DigestFunction, digestFunctionOf, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { reservedSegments } from '../core/instance.ts'

/** How the bytes of a ByteStream are compressed. */
export type Compressor = 'identity' | 'zstd'

/** The target of a ByteStream.Read. */
export interface ReadName {
  /** May be empty or several segments. */
  readonly instance: string
  readonly compressor: Compressor
  /** Of the uncompressed blob. */
  readonly digest: Digest
}

/** The target of a ByteStream.Write. Sessions are keyed on the full name, not on the uuid (rule 5). */
export interface WriteName extends ReadName {
  readonly uuid: string
}

/** An instance name, two keywords, a digest, and metadata that clients may append. */
const nameLengthMax = 4096
const decimal = /^(0|[1-9]\d{0,15})$/

/**
 * `{instance/}blobs/{fn/}{hash}/{size}` or
 * `{instance/}compressed-blobs/{compressor}/{fn/}{hash}/{size}`.
 * @throws Failure 'invalid'
 */
export function parseReadName(name: string): ReadName {
  const segments = split(name)
  const keyword = segments.findIndex((each) => reservedSegments.has(each))
  const { blob, rest } = parseBlob(name, segments, keyword)
  if (rest.length > 0) throw malformed(name, 'nothing may follow the size of a blob that is read')
  return { instance: parseInstance(name, segments.slice(0, Math.max(keyword, 0))), ...blob }
}

/**
 * `{instance/}uploads/{uuid}/blobs/{fn/}{hash}/{size}{/metadata}` or
 * `{instance/}uploads/{uuid}/compressed-blobs/{compressor}/{fn/}{hash}/{size}{/metadata}`.
 * The metadata is ignored, as the API says.
 * @throws Failure 'invalid'
 */
export function parseWriteName(name: string): WriteName {
  const segments = split(name)
  const keyword = segments.findIndex((each) => reservedSegments.has(each))
  const uuid = segments[keyword + 1]
  if (segments[keyword] !== 'uploads' || !uuid)
    throw malformed(name, 'expected {instance/}uploads/{uuid}/blobs/{hash}/{size}')
  const { blob } = parseBlob(name, segments, keyword + 2)
  return { instance: parseInstance(name, segments.slice(0, keyword)), uuid, ...blob }
}

/** The resource name for reading a blob. */
export function readName({ instance, compressor, digest }: ReadName): string {
  return prefix(instance) + blobPath(compressor, digest)
}

/** The resource name for writing a blob; the uuid is the client's own, new for each attempt. */
export function writeName({ instance, uuid, compressor, digest }: WriteName): string {
  return `${prefix(instance)}uploads/${uuid}/${blobPath(compressor, digest)}`
}

/** `blobs/{fn/}{hash}/{size}`: the subject of a MISSING violation (rule 25). */
export function blobSubject(digest: Digest): string {
  return blobPath('identity', digest)
}

function blobPath(compressor: Compressor, { fn, hash, size }: Digest): string {
  const keyword = compressor === 'identity' ? 'blobs/' : `compressed-blobs/${compressor}/`
  // Rule 4: the function is named only if the hash's length does not tell it.
  return `${keyword}${digestFunctions[fn].named ? `${fn}/` : ''}${hash}/${size}`
}

/** Parses `blobs/...` or `compressed-blobs/...` from segment `at` on; what follows the size is the rest. */
function parseBlob(name: string, segments: readonly string[], at: number) {
  const keyword = segments[at]
  if (keyword !== 'blobs' && keyword !== 'compressed-blobs')
    throw malformed(name, 'expected {instance/}blobs/{hash}/{size}')
  let next = at + 1
  let compressor: Compressor = 'identity'
  if (keyword === 'compressed-blobs') {
    // Identity has a form of its own: `blobs/`.
    if (segments[next] !== 'zstd') throw malformed(name, 'the one compressor that this server has is zstd')
    compressor = 'zstd'
    next += 1
  }
  const named = namedFunction(segments[next])
  if (named !== undefined) next += 1
  const hash = segments[next] ?? ''
  const size = segments[next + 1] ?? ''
  if (!decimal.test(size)) throw malformed(name, 'the size must be a decimal number without leading zeros')
  const digest = checkedDigest(named ?? digestFunctionOf(0, hash), hash, Number(size), 'resource name')
  return { blob: { compressor, digest }, rest: segments.slice(next + 2) }
}

/** The function that a segment names. One that need not be named may still be: its meaning is clear. */
function namedFunction(segment: string | undefined): DigestFunction | undefined {
  return segment !== undefined && Object.hasOwn(digestFunctions, segment) ? (segment as DigestFunction) : undefined
}

function parseInstance(name: string, segments: readonly string[]): string {
  if (segments.includes('')) throw malformed(name, 'an instance name has no empty segments')
  return segments.join('/')
}

function split(name: string): string[] {
  if (name.length > nameLengthMax) throw malformed(name, `longer than ${nameLengthMax} characters`)
  // moon puts a slash before the name if it has no instance name.
  return (name.startsWith('/') ? name.slice(1) : name).split('/')
}

function prefix(instance: string): string {
  return instance === '' ? '' : `${instance}/`
}

function malformed(name: string, expected: string): Failure {
  return new Failure('invalid', `malformed resource name: ${expected}`, { where: name.slice(0, 256) })
}
