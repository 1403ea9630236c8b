import { Failure } from '../core/failure.ts'
import type { Descriptor, Index } from './manifest.ts'
import { isManifestType } from './media-types.ts'
import { type Platform, platformText, samePlatform } from './platform.ts'

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
  const there = images.flatMap((each) => (each.platform ? [platformText(each.platform)] : []))
  throw new Failure('not-found', `the image is not there for ${platformText(platform)}`, {
    where,
    next: [
      there.length > 0 ? `It is there for ${[...new Set(there)].slice(0, 20).join(', ')} (--platform).` : 'Use --all.',
    ],
  })
}
