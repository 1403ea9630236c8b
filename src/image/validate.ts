import { Failure } from '../core/failure.ts'
import { configBytesMax, parseConfig } from './config.ts'
import { algorithmOf, type ContentDigest, contentHash } from './content-digest.ts'
import { expanded } from './expand.ts'
import { type Descriptor, type Manifest, parseManifest, type RawManifest } from './manifest.ts'
import { type Compression, isConfigType, isIndexType, isManifestType, layerCompression } from './media-types.ts'
import type { Source } from './medium.ts'
import { platformText, samePlatform } from './platform.ts'
import { verified, verifiedBytes } from './verified.ts'

/** What an image was found to be. */
export interface Validated {
  readonly digest: ContentDigest
  /** `os/architecture` of each image in it, in order. */
  readonly platforms: readonly string[]
  readonly layers: number
  /** Bytes of the layers as they are stored. */
  readonly bytes: number
}

/**
 * Judges what a medium holds, whichever it is, by reading all of it: every digest and size,
 * the config against the layers (their number, and each layer's content against its diff id),
 * an index against the configs of its images.
 * @throws Failure 'corrupt' or 'invalid' naming the first thing that is wrong
 */
export async function validateImage(source: Source, signal: AbortSignal): Promise<Validated> {
  const raw = await source.manifest()
  const found: Found = { platforms: [], layers: 0, bytes: 0 }
  await validateManifest(source, raw, undefined, found, signal)
  return { digest: raw.digest, ...found }
}

interface Found {
  platforms: string[]
  layers: number
  bytes: number
}

async function validateManifest(
  source: Source,
  raw: RawManifest,
  from: Descriptor | undefined,
  found: Found,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const parsed = parseManifest(raw, source.name)
  if (parsed.kind === 'manifest') return validateOne(source, parsed, from, found)
  for (const each of parsed.manifests) {
    if (!isManifestType(each.mediaType) && !isIndexType(each.mediaType)) continue
    const inner = await source.manifest(each.digest)
    if (inner.bytes.byteLength !== each.size) throw wrong(source, each.digest, 'has another size than its index says')
    if (from) throw wrong(source, each.digest, 'stands in an index inside an index')
    await validateManifest(source, inner, each, found, signal)
  }
}

async function validateOne(
  source: Source,
  manifest: Manifest,
  from: Descriptor | undefined,
  found: Found,
): Promise<void> {
  const { config: descriptor, layers } = manifest
  const bytes = await verifiedBytes(await source.blob(descriptor), descriptor, configBytesMax, source.name)
  found.layers += layers.length
  found.bytes += layers.reduce((sum, each) => sum + each.size, 0)
  if (!isConfigType(descriptor.mediaType)) {
    // An artifact: its blobs are what they are.
    for (const layer of layers) await drained(source, layer)
    return
  }
  const config = parseConfig(bytes, source.name)
  found.platforms.push(platformText(config))
  if (from?.platform && !samePlatform(config, from.platform))
    throw wrong(
      source,
      descriptor.digest,
      `is for ${platformText(config)}, its index says ${platformText(from.platform)}`,
    )
  const diffIds = config.rootfs.diff_ids
  if (diffIds.length !== layers.length)
    throw wrong(source, descriptor.digest, `names ${diffIds.length} layers, its manifest ${layers.length}`)
  for (const [at, layer] of layers.entries()) await validateLayer(source, layer, diffIds[at])
}

async function validateLayer(source: Source, layer: Descriptor, diffId: ContentDigest | undefined): Promise<void> {
  const compression = layerCompression(layer.mediaType)
  if (compression === undefined || diffId === undefined) return drained(source, layer)
  const content = verified(await source.blob(layer), layer, source.name)
  const hash = contentHash(algorithmOf(diffId))
  for await (const chunk of expandedLayer(content, compression, source, layer)) hash.update(chunk)
  const found = `${algorithmOf(diffId)}:${hash.digest('hex')}`
  if (found !== diffId) throw wrong(source, layer.digest, `expands to ${found}, the config says ${diffId}`)
}

async function* expandedLayer(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
  source: Source,
  layer: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* expanded(content, compression)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw wrong(source, layer.digest, `is no whole ${compression} stream`, error)
  }
}

async function drained(source: Source, descriptor: Descriptor): Promise<void> {
  let size = 0
  for await (const chunk of verified(await source.blob(descriptor), descriptor, source.name)) size += chunk.byteLength
  if (size !== descriptor.size) throw wrong(source, descriptor.digest, 'has another size than its manifest says')
}

function wrong(source: Source, digest: ContentDigest, what: string, cause?: unknown): Failure {
  return new Failure('corrupt', `${digest} ${what}`, { where: source.name, cause })
}
