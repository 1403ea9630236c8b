import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import { isRecord } from '../core/record.ts'
import { type ContentDigest, contentDigestOf, contentDigestSchema } from './content-digest.ts'
import { isNothing, listOf, maybe, nothing, text, texts } from './go-json.ts'
import {
  dockerList,
  dockerManifest,
  isIndexType,
  isManifestType,
  isSchema1,
  ociIndex,
  ociManifest,
} from './media-types.ts'
import type { Platform } from './platform.ts'

/** Bytes that a manifest or index may have: what registries accept (distribution-spec, "Pushing Manifests"). */
export const manifestBytesMax = 4 * 1024 * 1024
/** Layers of one image; docker allows 127. */
export const layersMax = 1024
/** Manifests that one index may name. */
export const indexEntriesMax = 2048
/** The largest blob that we would store: keeps sums of sizes exact. */
export const blobBytesMax = 2 ** 48

/** Names content: what it is, its digest and its exact size in bytes. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: ContentDigest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly artifactType?: string | undefined
  readonly platform?: Platform | undefined
  readonly urls?: readonly string[] | undefined
}

/** A manifest or index as received: its digest is that of these bytes. */
export interface RawManifest {
  readonly bytes: Uint8Array
  readonly mediaType: string
  readonly digest: ContentDigest
}

/** One image, or an artifact that is stored as one. */
export interface Manifest {
  readonly kind: 'manifest'
  readonly mediaType: string
  readonly artifactType?: string | undefined
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** Images for several platforms, or any other group of manifests. */
export interface Index {
  readonly kind: 'index'
  readonly mediaType: string
  readonly artifactType?: string | undefined
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

const mediaType = z
  .string()
  .min(3)
  .max(255)
  .regex(/^[^\s/]+\/[^\s/]+$/, 'expected TYPE/SUBTYPE')
const annotations = texts(manifestBytesMax)
const platform = z.looseObject({ os: text(128), architecture: text(128), variant: maybe(z.string().max(128)) })
const descriptor = z.looseObject({
  mediaType,
  digest: contentDigestSchema,
  size: z.number().int().nonnegative().max(blobBytesMax),
  annotations,
  artifactType: maybe(mediaType),
  platform: maybe(platform),
  urls: maybe(z.array(text(4096)).max(64)),
})
const common = {
  schemaVersion: z.literal(2),
  mediaType: maybe(mediaType),
  artifactType: maybe(mediaType),
  subject: maybe(descriptor),
  annotations,
}
const manifestSchema = z.looseObject({
  ...common,
  config: descriptor,
  layers: listOf(descriptor, layersMax),
  // Both shapes in one document would mean different images to different readers (CVE-2021-41190).
  manifests: nothing('a manifest cannot be an index at the same time'),
  fsLayers: nothing('a manifest cannot also be of schema 1'),
})
const indexSchema = z.looseObject({
  ...common,
  manifests: listOf(descriptor, indexEntriesMax),
  config: nothing('an index cannot be a manifest at the same time'),
  layers: nothing('an index cannot be a manifest at the same time'),
})

/**
 * Makes a raw manifest from bytes and the type that the place reported; if none, the document's own mediaType counts.
 * @throws Failure 'invalid' when it is too large or its type is unknown
 */
export function rawManifest(bytes: Uint8Array, toldType: string | undefined, where: string): RawManifest {
  if (bytes.byteLength > manifestBytesMax)
    throw new Failure('invalid', `the manifest has ${bytes.byteLength} bytes, at most ${manifestBytesMax} are read`, {
      where,
    })
  return { bytes, mediaType: typeOf(bytes, toldType, where), digest: contentDigestOf(bytes) }
}

/**
 * Parses a manifest or index strictly, without changing its bytes.
 * @param where the reference, for errors
 * @throws Failure 'invalid': no JSON, an unknown type, a body that disagrees with the type it
 *   was served as, a bad digest or size, too many entries
 */
export function parseManifest(raw: RawManifest, where: string): Manifest | Index {
  const document = parseJson(raw.bytes, 'the manifest', where)
  const type = typeOf(raw.bytes, raw.mediaType, where, document)
  const own = isRecord(document) ? document['mediaType'] : undefined
  if (!isNothing(own) && own !== type)
    throw new Failure(
      'invalid',
      `a manifest was served as ${type} but calls itself ${JSON.stringify(own).slice(0, 100)}`,
      {
        where,
      },
    )
  if (isIndexType(type))
    return { ...checked(indexSchema, document, 'the index', where), kind: 'index', mediaType: type }
  return { ...checked(manifestSchema, document, 'the manifest', where), kind: 'manifest', mediaType: type }
}

/** The descriptor that points at a manifest. */
export function descriptorOf(raw: RawManifest, extra: Partial<Descriptor> = {}): Descriptor {
  return { ...extra, mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.byteLength }
}

/**
 * Serializes a manifest that we made: keys in the given order, no spaces, since the digest depends on it.
 * @throws Failure 'invalid' when what it preserves of another one is nested too deeply for the stack
 */
export function serializeManifest(document: object, type: string): RawManifest {
  const bytes = Buffer.from(textOf(document))
  return { bytes, mediaType: type, digest: contentDigestOf(bytes) }
}

function textOf(document: object): string {
  try {
    return JSON.stringify(document)
  } catch (cause) {
    // Parsing does not recurse; writing does.
    if (cause instanceof RangeError) throw new Failure('invalid', 'the manifest is nested too deeply', { cause })
    throw cause
  }
}

/**
 * Parses untrusted JSON.
 * @throws Failure 'invalid'; without the parser's error, which quotes what may be a secret
 */
export function parseJson(bytes: Uint8Array, what: string, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new Failure('invalid', `${what} is not valid JSON`, { where })
  }
}

/**
 * Validates a value against a schema.
 * @throws Failure 'invalid' with every problem, each with its path
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, what: string, where: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues
    .slice(0, 5)
    .map((each) => `${each.path.join('.') || 'document'}: ${each.message}`)
  throw new Failure('invalid', `${what} is malformed: ${problems.join('; ')}`, { where })
}

function typeOf(bytes: Uint8Array, told: string | undefined, where: string, parsed?: unknown): string {
  const type = told?.split(';')[0]?.trim()
  if (type && (isManifestType(type) || isIndexType(type))) return type
  if (type && isSchema1(type)) throw schema1(where)
  if (type && type !== 'application/json' && type !== 'application/octet-stream' && !type.startsWith('text/plain'))
    throw unknownType(type, where)
  return impliedType(parsed ?? parseJson(bytes, 'the manifest', where), where)
}

/** Without a reported type: the document's own, or what its shape implies (OCI's mediaType is optional). */
function impliedType(document: unknown, where: string): string {
  if (!isRecord(document)) throw new Failure('invalid', 'the manifest is not a JSON object', { where })
  const facts: {
    mediaType?: unknown
    schemaVersion?: unknown
    manifests?: unknown
    config?: unknown
    layers?: unknown
  } = document
  if (facts.schemaVersion === 1) throw schema1(where)
  const own = facts.mediaType
  if (typeof own === 'string' && own !== '') {
    if ([ociManifest, ociIndex, dockerManifest, dockerList].includes(own)) return own
    throw unknownType(own, where)
  }
  if ('manifests' in facts && isNothing(facts.config) && isNothing(facts.layers)) return ociIndex
  if (!isNothing(facts.config) && isNothing(facts.manifests)) return ociManifest
  throw new Failure('invalid', 'the document is neither an image manifest nor an image index', { where })
}

function schema1(where: string): Failure {
  return new Failure('invalid', 'the manifest is of docker schema 1, which cannot be verified and is no longer read', {
    where,
    next: ['Push the image again with a current docker, or with skopeo copy --format v2s2.'],
  })
}

/** The error for a manifest type that we do not read. */
export function unreadType(type: string, where: string): Failure {
  return isSchema1(type) ? schema1(where) : unknownType(type, where)
}

function unknownType(type: string, where: string): Failure {
  return new Failure('invalid', `"${type.slice(0, 200)}" is not a known type of manifest`, {
    where,
    next: ['An image is an OCI or docker (schema 2) manifest, index or manifest list.'],
  })
}
