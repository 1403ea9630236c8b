import { parseJson, parseManifest, type RawManifest, serializeManifest } from './manifest.ts'
import { isDockerType, ociTypeOf } from './media-types.ts'

/** What a manifest or index says of something that it names. */
interface Named {
  readonly mediaType: string
}

/**
 * The same image with OCI's types instead of docker's: only type names change, blobs stay as they are. Something that
 * already has OCI's types is returned unchanged.
 * @throws Failure 'invalid'
 */
export function toOci(raw: RawManifest, where: string): RawManifest {
  if (!isDockerType(raw.mediaType)) return raw
  parseManifest(raw, where)
  const document = parseJson(raw.bytes, 'the manifest', where) as {
    config?: Named
    layers?: Named[] | null
    manifests?: Named[] | null
  }
  const { config, layers, manifests } = document
  const mediaType = ociTypeOf(raw.mediaType)
  const named = {
    ...(config && { config: renamed(config) }),
    ...(layers && { layers: layers.map(renamed) }),
    ...(manifests && { manifests: manifests.map(renamed) }),
  }
  return serializeManifest({ ...document, mediaType, ...named }, mediaType)
}

function renamed(named: Named): Named {
  return { ...named, mediaType: ociTypeOf(named.mediaType) }
}
