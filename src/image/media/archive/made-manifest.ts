import { compressionOf } from '../../../archive/expand.ts'
import { Failure } from '../../../core/failure.ts'
import { configBytesMax, parseConfig } from '../../config.ts'
import { type ContentDigest, contentDigestOf, contentHash } from '../../content-digest.ts'
import { type Descriptor, type RawManifest, serializeManifest } from '../../manifest.ts'
import { dockerConfig, dockerLayer, dockerLayerGzip, dockerLayerZstd, dockerManifest } from '../../media-types.ts'
import type { TarSource } from './tar-source.ts'

const layerTypes = { none: dockerLayer, gzip: dockerLayerGzip, zstd: dockerLayerZstd }

/**
 * The manifest that is made for an image in a docker archive, and where in it each blob lies: a layer that is
 * plain tar is believed to have the digest that the config says, which is verified when it is read; a compressed
 * one is hashed.
 */
export async function describe(
  tar: TarSource,
  entry: { readonly Config: string; readonly Layers: readonly string[] },
  where: string,
  signal: AbortSignal | undefined,
): Promise<{ raw: RawManifest; files: Map<ContentDigest, string> }> {
  const files = new Map<ContentDigest, string>()
  const bytes = await tar.small(entry.Config, configBytesMax, 'its config')
  const diffIds = parseConfig(bytes, where).rootfs.diff_ids
  if (diffIds.length !== entry.Layers.length)
    throw new Failure('invalid', `the archive lists ${entry.Layers.length} layers and its config ${diffIds.length}`, {
      where,
    })
  const config: Descriptor = { mediaType: dockerConfig, size: bytes.byteLength, digest: contentDigestOf(bytes) }
  files.set(config.digest, entry.Config)
  const layers: Descriptor[] = []
  for (const [at, file] of entry.Layers.entries()) {
    const layer = await describeLayer(tar, file, diffIds[at], signal)
    files.set(layer.digest, file)
    layers.push(layer)
  }
  const { mediaType, digest, size } = config
  const document = { schemaVersion: 2, mediaType: dockerManifest, config: { mediaType, size, digest }, layers }
  return { raw: serializeManifest(document, dockerManifest), files }
}

async function describeLayer(
  tar: TarSource,
  file: string,
  diffId: ContentDigest | undefined,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const size = tar.files.get(file)?.size ?? 0
  let mediaType: string | undefined
  const hash = contentHash()
  for await (const chunk of tar.content(file, 'one of its layers')) {
    if (mediaType === undefined) {
      mediaType = layerTypes[compressionOf(chunk)]
      if (mediaType === dockerLayer && diffId !== undefined) return { mediaType, size, digest: diffId }
    }
    signal?.throwIfAborted()
    hash.update(chunk)
  }
  return { mediaType: mediaType ?? dockerLayer, size, digest: `sha256:${hash.digest('hex')}` }
}
