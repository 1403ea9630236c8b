import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { builtInFile, definitionFolder, imageNames, noImage } from '../../image/definition.ts'
import { type LockResult, refreshLock } from '../../image/lock.ts'
import { openRegistryReader } from '../../image/media/registry/registry.ts'
import type { Source } from '../../image/medium.ts'
import type { ImageContext } from '../../image/open.ts'
import { type Platform, platformText } from '../../image/platform.ts'
import { selectRoot } from '../../image/select.ts'
import { ownCheckout } from '../../image/sources.ts'
import type { Environment } from '../../image/tree/environment.ts'

/** Which definitions to refresh. */
export interface LockRequest {
  /** A built-in one; undefined means all of them. */
  readonly image: string | undefined
  readonly definitionFile: string | undefined
  readonly cwd: string
  /** The folder of `native` itself, whose definitions are used if the user is not in a checkout. */
  readonly root: string
  /** Git's environment. */
  readonly env: Environment
  readonly around: ImageContext
}

/**
 * Refreshes the pins of definitions.
 * @throws Failure 'not-found' outside a checkout, and of the registry
 */
export async function refreshLocks(request: LockRequest): Promise<LockResult[]> {
  const results: LockResult[] = []
  for (const file of await filesOf(request)) {
    const result = await refreshLock(file, async ({ registry, repository, tag }, platforms) => {
      const reader = await openRegistryReader({ registry, repository, tag: tag ?? 'latest' }, request.around)
      try {
        const root = await reader.manifest()
        await assertThere({ ...reader, manifest: async (digest = root.digest) => reader.manifest(digest) }, platforms)
        return root.digest
      } finally {
        await reader.close()
      }
    })
    if (result) results.push(result)
  }
  return results
}

/** Otherwise the pin might be of a base that no image can be built on. */
async function assertThere(base: Source, platforms: readonly Platform[]): Promise<void> {
  for (const platform of platforms)
    await selectRoot(base, { platform, isNamed: true }).catch((cause: unknown) => {
      if (!(cause instanceof Failure) || cause.kind !== 'not-found') throw cause
      throw new Failure('not-found', `there is no base image for ${platformText(platform)}`, {
        where: base.name,
        next: ['Remove the platform from the definition, or use another base image.'],
        cause,
      })
    })
}

/** The results, one line each. */
export function lockText(results: readonly LockResult[]): string {
  if (results.length === 0) return 'no definition has a base image'
  return results
    .map(
      ({ image, before, after }) =>
        `${image}: ${before === after ? `still ${after}` : `${before ?? 'no digest'} -> ${after}`}`,
    )
    .join('\n')
}

async function filesOf({ image, definitionFile, ...place }: LockRequest): Promise<string[]> {
  if (definitionFile === '')
    throw new Failure('invalid', 'the name of the definition is empty', { where: '--definition' })
  if (definitionFile !== undefined) return [definitionFile]
  const checkout = await ownCheckout(place)
  if (checkout === null)
    throw new Failure('not-found', 'this is not a checkout of native, whose definitions could be updated', {
      where: place.cwd,
      next: ['To update your own definition: native image lock --definition FILE.'],
    })
  const names = imageNames(await readdir(join(checkout, definitionFolder)))
  if (image !== undefined && !names.includes(image)) throw noImage(image, names)
  return (image === undefined ? names : [image]).map((each) => join(checkout, builtInFile(each)))
}
