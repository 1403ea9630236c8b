import { Failure } from '../core/failure.ts'
import { childManifest } from './child-manifest.ts'
import { configBytesMax, parseConfig } from './config.ts'
import { type Descriptor, type Index, type Manifest, parseManifest, type RawManifest } from './manifest.ts'
import { isConfigType, isManifestType } from './media-types.ts'
import type { Source } from './medium.ts'
import { type Platform, platformText, samePlatform } from './platform.ts'
import { verifiedBytes } from './verified.ts'

/** Which image of what a reference names is meant. */
export interface ImageWish {
  /** 'all': every one, and the index. */
  readonly platform: Platform | 'all'
  /** Somebody named the platform, so another one is not what they want though it is the only one there. */
  readonly isNamed: boolean
}

/**
 * The manifest or index that is meant.
 * @throws Failure 'not-found' when the image is not there for the platform, with those that are
 */
export async function selectRoot(source: Source, { platform, isNamed }: ImageWish): Promise<RawManifest> {
  const raw = await source.manifest()
  if (platform === 'all') return raw
  const parsed = parseManifest(raw, source.name)
  const chosen =
    parsed.kind === 'manifest' ? raw : await childManifest(source, selectPlatform(parsed, platform, source.name))
  const image = parsed.kind === 'manifest' ? parsed : parseManifest(chosen, source.name)
  if (isNamed && image.kind === 'manifest') await assertPlatform(source, image, platform)
  return chosen
}

/**
 * The image of an index for a platform; the first that fits, as everywhere.
 * @throws Failure 'not-found', naming the platforms that there are
 */
export function selectPlatform(index: Index, platform: Platform, where: string): Descriptor {
  const images = index.manifests.filter((each) => isManifestType(each.mediaType))
  const found = images.find((each) => each.platform && samePlatform(platform, each.platform))
  if (found) return found
  const [only, ...others] = images
  // An index around one image without a platform: there is nothing to choose.
  if (only && others.length === 0 && !only.platform) return only
  throw notThere(
    platform,
    images.flatMap((each) => each.platform ?? []),
    where,
  )
}

/** An artifact is for no platform, so for any. */
async function assertPlatform(source: Source, { config }: Manifest, wanted: Platform): Promise<void> {
  if (!isConfigType(config.mediaType)) return
  const bytes = await verifiedBytes(await source.blob(config), config, configBytesMax, source.name)
  const found = parseConfig(bytes, source.name)
  if (!samePlatform(wanted, found)) throw notThere(wanted, [found], source.name)
}

function notThere(wanted: Platform, there: readonly Platform[], where: string): Failure {
  const names = [...new Set(there.map(platformText))].slice(0, 20)
  return new Failure('not-found', `the image is not there for ${platformText(wanted)}`, {
    where,
    next: [names.length > 0 ? `It is there for ${names.join(', ')} (--platform).` : 'Use --all.'],
  })
}
