import { countText } from '../../core/count-text.ts'
import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { sizeText } from '../../core/units.ts'
import { configBytesMax, type ImageConfig, parseConfig } from '../../image/config.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import { type Descriptor, type Manifest, parseManifest, type RawManifest } from '../../image/manifest.ts'
import { isConfigType } from '../../image/media-types.ts'
import type { Source } from '../../image/medium.ts'
import { isPlatformSaid, platformText } from '../../image/platform.ts'
import { type ImageWish, selectRoot } from '../../image/select.ts'
import { verifiedBytes } from '../../image/verified.ts'

/** The description of an image; `--json` prints it. */
export interface Inspected {
  readonly name: string
  readonly digest: ContentDigest
  readonly mediaType: string
  readonly artifactType: string | null
  /** What an index lists. Empty for a single image. */
  readonly manifests: readonly {
    readonly digest: ContentDigest
    readonly platform: string | null
    readonly mediaType: string
  }[]
  /** For a single image; null for an index. */
  readonly image: InspectedImage | null
  readonly annotations: Readonly<Record<string, string>>
}

export interface InspectedImage {
  readonly platform: string | null
  readonly created: string | null
  readonly layers: readonly { readonly digest: ContentDigest; readonly size: number; readonly mediaType: string }[]
  /** Total bytes of the layers as stored. */
  readonly size: number
  readonly user: string | null
  readonly workdir: string | null
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly environment: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** Characters per line: labels may contain anything. */
const lineMax = 500

/** Describes an image, without reading its layers. @throws Failure of the source, and if there is none for a platform */
export async function inspectImage(source: Source, wish: ImageWish): Promise<Inspected> {
  const raw = await selectRoot(source, wish)
  const manifest = parseManifest(raw, source.name)
  return {
    name: source.name,
    digest: raw.digest,
    mediaType: raw.mediaType,
    artifactType: manifest.artifactType ?? null,
    manifests: manifest.kind === 'index' ? manifest.manifests.map(entryOf) : [],
    image: manifest.kind === 'index' ? null : imageOf(manifest, await configOf(source, manifest)),
    annotations: manifest.annotations ?? {},
  }
}

/** The manifest's exact bytes. */
export function rawManifestOf(source: Source, wish: ImageWish): Promise<RawManifest> {
  return selectRoot(source, wish)
}

/** The config's exact bytes; for an index, those of the platform's image. @throws like inspectImage */
export async function rawConfigOf(source: Source, wish: ImageWish): Promise<Uint8Array> {
  const raw = await selectRoot(source, wish)
  const manifest = parseManifest(raw, source.name)
  if (manifest.kind === 'manifest') return configBytes(source, manifest)
  throw new Failure('invalid', 'an index inside an index has no config', { where: source.name })
}

function configBytes(source: Source, { config }: Manifest): Promise<Uint8Array> {
  return source.blob(config).then((content) => verifiedBytes(content, config, configBytesMax, source.name))
}

async function configOf(source: Source, manifest: Manifest): Promise<ImageConfig | undefined> {
  if (!isConfigType(manifest.config.mediaType)) return undefined
  return parseConfig(await configBytes(source, manifest), source.name)
}

function entryOf({ digest, platform, mediaType }: Descriptor) {
  return { digest, platform: platform && isPlatformSaid(platform) ? platformText(platform) : null, mediaType }
}

function imageOf({ layers }: Manifest, config: ImageConfig | undefined): InspectedImage {
  const run = config?.config
  return {
    platform: config && isPlatformSaid(config) ? platformText(config) : null,
    created: config?.created ?? null,
    layers: layers.map(({ digest, size, mediaType }) => ({ digest, size, mediaType })),
    size: layers.reduce((sum, each) => sum + each.size, 0),
    user: run?.User ?? null,
    workdir: run?.WorkingDir ?? null,
    entrypoint: run?.Entrypoint ?? [],
    command: run?.Cmd ?? [],
    environment: run?.Env ?? [],
    labels: run?.Labels ?? {},
  }
}

/**
 * The description for people. A digest is never broken where it fits into a line of its own, so that it can be copied.
 * @param columns of the terminal; infinite for a pipe
 */
export function inspectText(inspected: Inspected, columns: number): string {
  const wide = descriptionLines(inspected, false)
  const fits = wide.every((line) => line.length <= columns || !/sha(256|512):/.test(line))
  const lines = fits ? wide : descriptionLines(inspected, true)
  return lines.map((each) => printable(each, lineMax)).join('\n')
}

/** The lines of a label and what belongs to it, which may be several items, each of several parts. */
type Rows = (label: string, items: readonly (readonly string[])[]) => string[]

const singly = (items: readonly string[]) => items.map((each) => [each])

/** @param narrow put what stands beside a label, and beside a digest, on lines of their own */
function descriptionLines(
  { name, digest, mediaType, artifactType, manifests, image, annotations }: Inspected,
  narrow: boolean,
): string[] {
  const rows: Rows = (label, items) => {
    if (!narrow) return items.map((each, at) => `${(at === 0 ? label : '').padEnd(12)}${each.join('  ')}`)
    return items.length === 0 ? [] : [label, ...items.flat().map((each) => `  ${each}`)]
  }
  const fact = (label: string, text: string | null) => rows(label, text ? [[text]] : [])
  const pairs = (of: Readonly<Record<string, string>>): string[] =>
    Object.entries(of).map(([key, value]) => `${key}=${value}`)
  return [
    ...fact('name', name),
    ...fact('digest', digest),
    ...fact('type', mediaType),
    ...fact('artifact', artifactType),
    ...rows(
      'platforms',
      manifests.map((each) => [each.platform ?? each.mediaType, each.digest]),
    ),
    ...(image ? imageLines(image, fact, rows, pairs) : []),
    ...rows('annotations', singly(pairs(annotations))),
  ]
}

function imageLines(
  image: InspectedImage,
  fact: (label: string, text: string | null) => string[],
  rows: Rows,
  pairs: (of: Readonly<Record<string, string>>) => string[],
): string[] {
  return [
    ...fact('platform', image.platform),
    ...fact('created', image.created),
    ...fact('size', `${sizeText(image.size)} in ${countText(image.layers.length, 'layer')}`),
    ...fact('user', image.user),
    ...fact('workdir', image.workdir),
    ...fact('entrypoint', image.entrypoint.length > 0 ? JSON.stringify(image.entrypoint) : null),
    ...fact('command', image.command.length > 0 ? JSON.stringify(image.command) : null),
    ...rows('environment', singly(image.environment)),
    ...rows('labels', singly(pairs(image.labels))),
    ...rows(
      'layers',
      image.layers.map((each) => [each.digest, sizeText(each.size)]),
    ),
  ]
}
