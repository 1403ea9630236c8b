import type { Compression } from '../archive/expand.ts'

/** Media types of manifests, configs and layers, and how docker's and OCI's correspond. */

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'

export const ociConfig = 'application/vnd.oci.image.config.v1+json'
export const dockerConfig = 'application/vnd.docker.container.image.v1+json'

export const ociLayer = 'application/vnd.oci.image.layer.v1.tar'
export const ociLayerGzip = 'application/vnd.oci.image.layer.v1.tar+gzip'
const ociLayerZstd = 'application/vnd.oci.image.layer.v1.tar+zstd'
export const dockerLayer = 'application/vnd.docker.image.rootfs.diff.tar'
export const dockerLayerGzip = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
export const dockerLayerZstd = 'application/vnd.docker.image.rootfs.diff.tar.zstd'

const dockerForeignLayer = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
const nondistributable = 'application/vnd.oci.image.layer.nondistributable.'

/** Schema 1, which no registry should serve any more and which cannot be verified. */
const schema1 = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
])

const toOci: Readonly<Record<string, string>> = {
  [dockerManifest]: ociManifest,
  [dockerList]: ociIndex,
  [dockerConfig]: ociConfig,
  [dockerLayer]: ociLayer,
  [dockerLayerGzip]: ociLayerGzip,
  [dockerLayerZstd]: ociLayerZstd,
  [dockerForeignLayer]: `${nondistributable}v1.tar+gzip`,
}

/** The types that we accept from a registry. */
export const acceptedManifests: readonly string[] = [ociManifest, ociIndex, dockerManifest, dockerList]

export function isManifestType(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerList
}

export function isSchema1(mediaType: string): boolean {
  return schema1.has(mediaType)
}

export function isDockerType(mediaType: string): boolean {
  return mediaType in toOci
}

export function isConfigType(mediaType: string): boolean {
  return mediaType === ociConfig || mediaType === dockerConfig
}

/** The equivalent OCI type; types without one stay. */
export function ociTypeOf(mediaType: string): string {
  return toOci[mediaType] ?? mediaType
}

/** A layer that may only be distributed from its URLs (image-spec, "Non-Distributable Layers"). */
export function isForeignLayer({
  mediaType,
  urls,
}: {
  mediaType: string
  urls?: readonly string[] | undefined
}): boolean {
  const isForeign = mediaType === dockerForeignLayer || mediaType.startsWith(nondistributable)
  return isForeign && urls !== undefined && urls.length > 0
}

/** The compression of a layer of this type; undefined if it is not a filesystem layer. */
export function layerCompression(mediaType: string): Compression | undefined {
  const type = ociTypeOf(mediaType).replace('.layer.nondistributable.', '.layer.')
  if (type === ociLayer) return 'none'
  if (type === ociLayerGzip || mediaType === dockerForeignLayer) return 'gzip'
  return type === ociLayerZstd ? 'zstd' : undefined
}
