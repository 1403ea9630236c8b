import { type ExpansionLimits, expanded } from '../archive/expand.ts'
import { Failure } from '../core/failure.ts'
import { childManifest } from './child-manifest.ts'
import { configBytesMax, parseConfig } from './config.ts'
import { algorithmOf, type ContentDigest, contentHash } from './content-digest.ts'
import { depthMax, manifestsMax } from './copy.ts'
import { type Descriptor, type Manifest, parseManifest, type RawManifest } from './manifest.ts'
import { isConfigType, isForeignLayer, isIndexType, isManifestType, layerCompression } from './media-types.ts'
import type { Source } from './medium.ts'
import { mayBeSame, type Platform, platformText } from './platform.ts'
import { verified, verifiedBytes } from './verified.ts'

/** The result of validating an image. */
export interface Validated {
  readonly digest: ContentDigest
  /** `os/architecture` of each image in it, in order, without duplicates. */
  readonly platforms: readonly string[]
  readonly layers: number
  /** Bytes of the layers as stored. */
  readonly bytes: number
}

/**
 * Validates what a medium holds by reading all of it: every digest and size, the config against the layers (their
 * number, and each layer's content against its diff id), an index against the configs of its images.
 * @param limits how far layers may expand
 * @throws Failure 'corrupt' or 'invalid' naming the first error
 */
export async function validateImage(source: Source, signal: AbortSignal, limits?: ExpansionLimits): Promise<Validated> {
  const raw = await source.manifest()
  const found: Found = { platforms: [], layers: 0, bytes: 0, manifests: 0, done: new Map() }
  await validateManifest({ source, found, signal, limits }, raw, undefined, 0)
  const { platforms, layers, bytes } = found
  return { digest: raw.digest, platforms, layers, bytes }
}

interface Found {
  platforms: string[]
  layers: number
  bytes: number
  /** Manifests, counted as often as an index names them. */
  manifests: number
  /** What has been read already: indexes may name a manifest any number of times. */
  readonly done: Map<ContentDigest, Platform | undefined>
}

interface Run {
  readonly source: Source
  readonly found: Found
  readonly signal: AbortSignal
  readonly limits: ExpansionLimits | undefined
}

async function validateManifest(
  run: Run,
  raw: RawManifest,
  from: Descriptor | undefined,
  depth: number,
): Promise<void> {
  const { source, found, signal } = run
  signal.throwIfAborted()
  found.manifests += 1
  if (found.manifests > manifestsMax)
    throw new Failure('exhausted', `its indexes name more than ${manifestsMax} manifests`, { where: source.name })
  const parsed = parseManifest(raw, source.name)
  if (parsed.kind === 'manifest') {
    if (!found.done.has(raw.digest)) found.done.set(raw.digest, await validateOne(run, parsed))
    return assertPlatform(source, parsed.config.digest, found.done.get(raw.digest), from?.platform)
  }
  if (depth >= depthMax)
    throw new Failure('invalid', `indexes are nested deeper than ${depthMax}`, { where: source.name })
  if (found.done.has(raw.digest)) return
  for (const each of parsed.manifests) {
    if (!isManifestType(each.mediaType) && !isIndexType(each.mediaType)) continue
    await validateManifest(run, await childManifest(source, each), each, depth + 1)
  }
  found.done.set(raw.digest, undefined)
}

/** @returns the platform from the config; undefined for an artifact */
async function validateOne(run: Run, manifest: Manifest): Promise<Platform | undefined> {
  const { source, found, signal } = run
  const { config: descriptor, layers } = manifest
  const bytes = await verifiedBytes(await source.blob(descriptor), descriptor, configBytesMax, source.name)
  found.layers += layers.length
  found.bytes += layers.reduce((sum, each) => sum + each.size, 0)
  if (!isConfigType(descriptor.mediaType)) {
    // An artifact: its blobs have no further structure.
    for (const layer of layers) await drained(source, layer, signal)
    return undefined
  }
  const config = parseConfig(bytes, source.name)
  found.platforms.push(platformText(config))
  const diffIds = config.rootfs.diff_ids
  if (diffIds.length !== layers.length)
    throw wrong(source, descriptor.digest, `names ${diffIds.length} layers, its manifest ${layers.length}`)
  for (const [at, layer] of layers.entries()) await validateLayer(run, layer, diffIds[at])
  return config
}

function assertPlatform(
  source: Source,
  config: ContentDigest,
  platform: Platform | undefined,
  said: Platform | undefined,
): void {
  if (!platform || !said || mayBeSame(platform, said)) return
  throw wrong(source, config, `is for ${platformText(platform)}, its index says ${platformText(said)}`)
}

async function validateLayer(
  { source, signal, limits }: Run,
  layer: Descriptor,
  diffId: ContentDigest | undefined,
): Promise<void> {
  // Only its owner may distribute it, so the medium need not have it.
  if (isForeignLayer(layer)) return
  const compression = layerCompression(layer.mediaType)
  if (compression === undefined || diffId === undefined) return drained(source, layer, signal)
  const content = verified(await source.blob(layer), layer, source.name)
  const hash = contentHash(algorithmOf(diffId))
  for await (const piece of expanded(content, compression, `${source.name} ${layer.digest}`, limits)) {
    signal.throwIfAborted()
    hash.update(piece)
  }
  const found = `${algorithmOf(diffId)}:${hash.digest('hex')}`
  if (found !== diffId) throw wrong(source, layer.digest, `expands to ${found}, the config says ${diffId}`)
}

/** Reads a blob to its end, which is what verifies it. */
async function drained(source: Source, descriptor: Descriptor, signal: AbortSignal): Promise<void> {
  for await (const _ of verified(await source.blob(descriptor), descriptor, source.name)) signal.throwIfAborted()
}

function wrong(source: Source, digest: ContentDigest, what: string): Failure {
  return new Failure('corrupt', `${digest} ${what}`, { where: source.name })
}
