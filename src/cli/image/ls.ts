import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { registryImage } from '../../image/in-cluster.ts'
import { openRegistryReader } from '../../image/media/registry/registry.ts'
import type { ImageContext } from '../../image/open.ts'
import { type RegistryReference, referenceText } from '../../image/reference.ts'

/** A repository's tags; `--json` prints it. */
export interface TagList {
  readonly repository: string
  readonly tags: readonly string[]
}

/**
 * Lists a repository's tags.
 * @throws Failure 'invalid' for a tag, which is not a repository; 'not-found', 'denied', 'unavailable'
 */
export async function listTags(reference: RegistryReference, around: ImageContext): Promise<TagList> {
  const { image, called } = await registryImage(reference, around)
  if (image.tag !== undefined || image.digest !== undefined)
    throw new Failure('invalid', 'this names a single image, but only a repository has a list of tags', {
      where: referenceText(reference),
      next: [`To see what this image is: native image inspect ${referenceText(reference)}`],
    })
  const reader = await openRegistryReader(image, around)
  try {
    const tags = (await reader.tags()).map((each) => printable(each))
    return { repository: `${called.registry}/${called.repository}`, tags }
  } finally {
    await reader.close()
  }
}
