import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { configBytesMax, type ImageConfig, parseConfig } from '../config.ts'
import type { ContentDigest } from '../content-digest.ts'
import { definedPlatform } from '../definition.ts'
import {
  type Descriptor,
  descriptorOf,
  type Manifest,
  parseManifest,
  type RawManifest,
  serializeManifest,
} from '../manifest.ts'
import { fileContent } from '../media/files.ts'
import { ociIndex, ociManifest, ociTypeOf } from '../media-types.ts'
import type { Source } from '../medium.ts'
import { onePiece } from '../pieces.ts'
import { type Platform, platformText, suitability } from '../platform.ts'
import { selectPlatform } from '../select.ts'
import type { ImageSources } from '../sources.ts'
import { verifiedBytes } from '../verified.ts'
import { imageConfig, labelsOf } from './config.ts'
import { keptLayers } from './kept-layers.ts'
import type { Layer } from './layer.ts'
import { type LayerMaker, layerMaker } from './layers.ts'

export interface BuildOptions {
  /** One gives an image, several give an index. */
  readonly platforms: readonly Platform[]
  /** The source of the base's layers; null for `scratch`. */
  readonly base: Source | null
  /** Its name, for the label. */
  readonly baseName: string | null
  /** SOURCE_DATE_EPOCH: seconds since 1970 of everything in the image. */
  readonly epochSeconds: number
  /** A persistent folder, kept between builds. */
  readonly cache: string
  /** Where temporary folders are made. */
  readonly temporary: string
  /** PATH, to find npm. */
  readonly path: string
  /** True rebuilds every layer; otherwise layers of earlier builds are taken from the cache. */
  readonly fresh?: boolean
  readonly signal: AbortSignal
  /** Hears what is being done. */
  readonly say?: (text: string) => void
}

/** A built image: a source like any other, copied by the same code. */
export interface BuiltImage {
  readonly source: Source
  readonly digest: ContentDigest
}

/**
 * Builds an image. Every byte of it is determined by the definition, the sources, the base and the epoch; the folder,
 * the date and the machine have no influence.
 * @throws Failure of the base, of npm, or 'invalid' for a platform that is not defined
 */
export async function buildImage(sources: ImageSources, options: BuildOptions): Promise<BuiltImage> {
  const platforms = options.platforms.map((each) => definedPlatform(sources.definition, each))
  const work = await mkdtemp(join(options.temporary, 'native-image-'))
  const remove = () => rm(work, { recursive: true, force: true })
  try {
    const baseRoot = options.base ? await options.base.manifest() : null
    const kept = options.fresh ? undefined : keptLayers(join(options.cache, 'layers'))
    const maker = layerMaker(sources, { ...options, work, kept })
    const images: OneImage[] = []
    for (const platform of platforms) images.push(await buildOne(sources, platform, { ...options, maker, baseRoot }))
    const root = rootOf(images)
    return { digest: root.digest, source: builtSource(sources.definition.name, root, images, options.base, remove) }
  } catch (error) {
    await remove()
    throw error
  }
}

interface OneImage {
  readonly platform: Platform
  readonly manifest: RawManifest
  readonly config: RawManifest
  readonly layers: readonly Layer[]
}

interface OneOptions extends BuildOptions {
  readonly maker: LayerMaker
  readonly baseRoot: RawManifest | null
}

async function buildOne(sources: ImageSources, defined: Platform, options: OneOptions): Promise<OneImage> {
  const { definition, tree } = sources
  const base = await basePart(options, defined)
  options.say?.(`layers for ${platformText(defined)}`)
  const layers = await options.maker.layersFor(defined)
  // Even if the definition names no variant, the base's programs may need one.
  const platform = { ...defined, variant: defined.variant ?? base?.config.variant }
  const labels = labelsOf(definition, {
    revision: tree.revision && `${tree.revision}${tree.dirty ? '-dirty' : ''}`,
    ...(await packageFacts(sources)),
    baseName: options.baseName,
    baseDigest: options.baseRoot?.digest ?? null,
  })
  const config = imageConfig(definition, platform, base?.config ?? null, layers, labels, options.epochSeconds)
  const baseLayers = base?.manifest.layers.map(({ digest, size, mediaType }) => ({
    mediaType: ociTypeOf(mediaType),
    digest,
    size,
  }))
  const document = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: plainDescriptor(config),
    layers: [...(baseLayers ?? []), ...layers.map((each) => each.descriptor)],
    annotations: labels,
  }
  return { platform, config, layers, manifest: serializeManifest(document, ociManifest) }
}

async function basePart(
  options: OneOptions,
  platform: Platform,
): Promise<{ manifest: Manifest; config: ImageConfig } | null> {
  const { base, baseRoot } = options
  if (!base || !baseRoot) return null
  const root = parseManifest(baseRoot, base.name)
  const raw =
    root.kind === 'manifest' ? baseRoot : await base.manifest(selectPlatform(root, platform, base.name).digest)
  const manifest = parseManifest(raw, base.name)
  if (manifest.kind === 'index')
    throw new Failure('invalid', 'the base is an index inside an index', { where: base.name })
  const bytes = await verifiedBytes(await base.blob(manifest.config), manifest.config, configBytesMax, base.name)
  const config = parseConfig(bytes, base.name)
  if (suitability(platform, { ...config, variant: config.variant ?? platform.variant }) === undefined)
    throw new Failure('invalid', `the base is for ${platformText(config)}, not for ${platformText(platform)}`, {
      where: base.name,
    })
  const [layers, diffIds] = [manifest.layers.length, config.rootfs.diff_ids.length]
  // Otherwise one of our layers would be mistaken for one of the base's.
  if (layers !== diffIds)
    throw new Failure('invalid', `the base has ${layers} layers, but its config names ${diffIds} diff ids`, {
      where: base.name,
    })
  return { manifest, config }
}

async function packageFacts(sources: ImageSources): Promise<{ version: string | null; source: string | null }> {
  if (!sources.definition.program) return { version: null, source: null }
  const text = new TextDecoder().decode(await sources.tree.read('package.json'))
  const facts = JSON.parse(text) as { version?: string; repository?: string | { url?: string } }
  const url = typeof facts.repository === 'string' ? facts.repository : facts.repository?.url
  return { version: facts.version ?? null, source: url?.replace(/^git\+/, '') ?? null }
}

function rootOf(images: readonly OneImage[]): RawManifest {
  const [only, ...others] = images
  if (!only) throw new Failure('invalid', 'an image needs at least one platform', { where: '--platform' })
  if (others.length === 0) return only.manifest
  const manifests = images.map(({ manifest, platform }) => ({ ...plainDescriptor(manifest), platform }))
  return serializeManifest({ schemaVersion: 2, mediaType: ociIndex, manifests }, ociIndex)
}

function plainDescriptor(raw: RawManifest): Descriptor {
  const { mediaType, digest, size } = descriptorOf(raw)
  return { mediaType, digest, size }
}

function builtSource(
  name: string,
  root: RawManifest,
  images: readonly OneImage[],
  base: Source | null,
  remove: () => Promise<void>,
): Source {
  const manifests = new Map([root, ...images.map((each) => each.manifest)].map((each) => [each.digest, each]))
  const configs = new Map(images.map((each) => [each.config.digest, each.config.bytes]))
  const layers = new Map(images.flatMap((each) => each.layers).map((each) => [each.descriptor.digest, each.file]))
  const where = `the image ${name} that was built`
  return {
    name: where,
    ...(base?.origin ? { origin: base.origin } : {}),
    async manifest(digest = root.digest) {
      const found = manifests.get(digest)
      if (found) return found
      throw new Failure('not-found', `there is no manifest ${digest}`, { where })
    },
    async blob(descriptor) {
      const config = configs.get(descriptor.digest)
      if (config) return onePiece(config)
      const layer = layers.get(descriptor.digest)
      if (layer !== undefined) return fileContent(layer, 'a layer that was built')
      if (base) return base.blob(descriptor)
      throw new Failure('not-found', `there is no blob ${descriptor.digest}`, { where })
    },
    close: remove,
  }
}
