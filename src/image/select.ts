import { Failure } from '../core/failure.ts'
import { childManifest } from './child-manifest.ts'
import { configBytesMax, parseConfig } from './config.ts'
import { type Descriptor, type Index, type Manifest, parseManifest, type RawManifest } from './manifest.ts'
import { isConfigType, isManifestType } from './media-types.ts'
import type { Source } from './medium.ts'
import { alsoRun, isPlatformSaid, mayBeSame, type Platform, platformText, suitability } from './platform.ts'
import { verifiedBytes } from './verified.ts'

/** Which image of a reference is wanted. */
export interface ImageWish {
  /** 'all': every one, and the index. */
  readonly platform: Platform | 'all'
  /** The platform was named explicitly, so no other is acceptable even if it is the only one. */
  readonly isNamed: boolean
}

/** Entries of an index without a platform whose configs are read to find it. */
const unsaidMax = 16

/**
 * The manifest or index that is wanted.
 * @throws Failure 'not-found' when there is no image for the platform, listing those that exist
 */
export async function selectRoot(source: Source, { platform, isNamed }: ImageWish): Promise<RawManifest> {
  const raw = await source.manifest()
  if (platform === 'all') return raw
  const parsed = parseManifest(raw, source.name)
  if (parsed.kind === 'manifest') {
    if (isNamed) await assertPlatform(source, parsed, platform)
    return raw
  }
  const candidates = isNamed ? [platform] : [platform, ...alsoRun(platform)]
  const said = candidates.map((each) => bestOf(parsed, each)).find((each) => each !== undefined)
  const chosen = said ?? (await askedConfigs(source, parsed, candidates, isNamed))
  return childManifest(source, chosen ?? selectPlatform(parsed, platform, source.name))
}

/**
 * The image of an index for a platform: the best match, and the first among equals.
 * @throws Failure 'not-found', listing the platforms that exist
 */
export function selectPlatform(index: Index, platform: Platform, where: string): Descriptor {
  const found = bestOf(index, platform)
  if (found) return found
  const images = imagesOf(index)
  const [only, ...others] = images
  // An index with a single image without a platform: there is nothing to choose.
  if (only && others.length === 0 && !isSaid(only)) return only
  throw notThere(
    platform,
    images.flatMap((each) => each.platform ?? []),
    where,
  )
}

function imagesOf({ manifests }: Index): Descriptor[] {
  return manifests.filter((each) => isManifestType(each.mediaType))
}

function isSaid({ platform }: Descriptor): boolean {
  return platform !== undefined && isPlatformSaid(platform)
}

function bestOf(index: Index, platform: Platform): Descriptor | undefined {
  let best: { readonly image: Descriptor; readonly rank: number } | undefined
  for (const image of imagesOf(index)) {
    const rank = image.platform && suitability(platform, image.platform)
    if (rank !== undefined && (!best || rank < best.rank)) best = { image, rank }
  }
  return best?.image
}

/** Of images whose entry has no platform, the first whose config has the wanted one. */
async function askedConfigs(
  source: Source,
  index: Index,
  candidates: readonly Platform[],
  isNamed: boolean,
): Promise<Descriptor | undefined> {
  const unsaid = imagesOf(index).filter((each) => !isSaid(each))
  if (unsaid.length > unsaidMax || (unsaid.length === 1 && imagesOf(index).length === 1 && !isNamed)) return undefined
  const found: { readonly image: Descriptor; readonly platform: Platform }[] = []
  for (const image of unsaid) {
    const manifest = parseManifest(await childManifest(source, image), source.name)
    const platform = manifest.kind === 'manifest' ? await configPlatform(source, manifest) : undefined
    // No platform fits any.
    if (!platform || !isPlatformSaid(platform)) {
      if (unsaid.length === 1) return image
    } else found.push({ image, platform })
  }
  for (const candidate of candidates) {
    const fit = found.find((each) => suitability(candidate, each.platform) !== undefined)
    if (fit) return fit.image
  }
  if (found.length > 0) {
    const [wanted] = candidates
    const there = imagesOf(index).flatMap((each) => (isSaid(each) && each.platform ? [each.platform] : []))
    if (wanted) throw notThere(wanted, [...there, ...found.map((each) => each.platform)], source.name)
  }
  return undefined
}

async function assertPlatform(source: Source, image: Manifest, wanted: Platform): Promise<void> {
  const found = await configPlatform(source, image)
  if (!found || !isPlatformSaid(found)) return
  if (suitability(wanted, found) === undefined && !(found.variant === undefined && mayBeSame(wanted, found)))
    throw notThere(wanted, [found], source.name)
}

/** An artifact has no platform, so it fits any. */
async function configPlatform(source: Source, { config }: Manifest): Promise<Platform | undefined> {
  if (!isConfigType(config.mediaType)) return undefined
  return parseConfig(await verifiedBytes(await source.blob(config), config, configBytesMax, source.name), source.name)
}

function notThere(wanted: Platform, there: readonly Platform[], where: string): Failure {
  const names = [...new Set(there.filter(isPlatformSaid).map(platformText))].slice(0, 20)
  const advice =
    names.length > 0
      ? `It exists for ${names.join(', ')} (--platform).`
      : 'The entries of the index do not say their platforms: --all copies them unchanged to a registry, oci: or dir:.'
  return new Failure('not-found', `there is no image for ${platformText(wanted)}`, { where, next: [advice] })
}
