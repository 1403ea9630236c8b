import { parseJson, parseManifest, type RawManifest, serializeManifest } from './manifest.ts'
import { isDockerType, ociTypeOf } from './media-types.ts'

/**
 * The same image with OCI's types instead of docker's: only names of types change, blobs stay
 * as they are. What is of OCI's types already is given back untouched.
 */
export function toOci(raw: RawManifest, where: string): RawManifest {
  if (!isDockerType(raw.mediaType)) return raw
  parseManifest(raw, where)
  const document = renamed(parseJson(raw.bytes, 'the manifest', where)) as object
  return serializeManifest({ ...document, mediaType: ociTypeOf(raw.mediaType) }, ociTypeOf(raw.mediaType))
}

/** Renames every `mediaType`, at any depth; parseManifest has bounded the document before. */
function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      key === 'mediaType' && typeof each === 'string' ? ociTypeOf(each) : renamed(each),
    ]),
  )
}
