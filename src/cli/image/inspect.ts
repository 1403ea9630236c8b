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

/** The description for people. */
export function inspectText({
  name,
  digest,
  mediaType,
  artifactType,
  manifests,
  image,
  annotations,
}: Inspected): string {
  const fact = (label: string, text: string | null): string[] => (text ? [`${label.padEnd(12)}${text}`] : [])
  const list = (label: string, items: readonly string[]): string[] =>
    items.flatMap((each, at) => [`${(at === 0 ? label : '').padEnd(12)}${each}`])
  const pairs = (of: Readonly<Record<string, string>>): string[] =>
    Object.entries(of).map(([key, value]) => `${key}=${value}`)
  const lines = [
    ...fact('name', name),
    ...fact('digest', digest),
    ...fact('type', mediaType),
    ...fact('artifact', artifactType),
    ...list(
      'platforms',
      manifests.map((each) => `${each.platform ?? each.mediaType}  ${each.digest}`),
    ),
    ...(image ? imageLines(image, fact, list, pairs) : []),
    ...list('annotations', pairs(annotations)),
  ]
  return lines.map((each) => printable(each, lineMax)).join('\n')
}

function imageLines(
  image: InspectedImage,
  fact: (label: string, text: string | null) => string[],
  list: (label: string, items: readonly string[]) => string[],
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
    ...list('environment', image.environment),
    ...list('labels', pairs(image.labels)),
    ...list(
      'layers',
      image.layers.map((each) => `${each.digest}  ${sizeText(each.size)}`),
    ),
  ]
}
