import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { builtInFile, definitionFolder } from '../../image/definition.ts'
import { type LockResult, refreshLock } from '../../image/lock.ts'
import { openRegistryReader } from '../../image/media/registry/registry.ts'
import type { Surroundings } from '../../image/open.ts'
import { checkoutOf, type Environment } from '../../image/tree/git.ts'

/** Which definitions are to be refreshed. */
export interface LockWishes {
  /** A built-in one; undefined is all of them. */
  readonly image: string | undefined
  readonly definitionFile: string | undefined
  readonly cwd: string
  /** What git gets. */
  readonly env: Environment
  readonly around: Surroundings
}

/**
 * Refreshes the pins of definitions.
 * @throws Failure 'not-found' outside of a checkout, and of the registry
 */
export async function refreshLocks(wishes: LockWishes): Promise<LockResult[]> {
  const results: LockResult[] = []
  for (const file of await filesOf(wishes)) {
    const result = await refreshLock(file, async ({ registry, repository, tag }) => {
      const reader = await openRegistryReader({ registry, repository, tag: tag ?? 'latest' }, wishes.around)
      try {
        return (await reader.manifest()).digest
      } finally {
        await reader.close()
      }
    })
    if (result) results.push(result)
  }
  return results
}

/** What was found, a line for each. */
export function lockText(results: readonly LockResult[]): string {
  if (results.length === 0) return 'no definition has a base'
  return results
    .map(
      ({ image, before, after }) =>
        `${image}: ${before === after ? `still ${after}` : `${before ?? 'no digest'} -> ${after}`}`,
    )
    .join('\n')
}

async function filesOf({ image, definitionFile, cwd, env }: LockWishes): Promise<string[]> {
  if (definitionFile !== undefined) return [definitionFile]
  const checkout = await checkoutOf({ cwd, env })
  const names = checkout === null ? [] : await folderNames(join(checkout, definitionFolder))
  if (checkout === null || names.length === 0)
    throw new Failure('not-found', 'definitions are refreshed in a checkout of native, and this is none', {
      where: cwd,
      next: ['For one of your own: native image lock --definition FILE.'],
    })
  if (image !== undefined) return [join(checkout, builtInFile(image))]
  return names
    .filter((each) => each.endsWith('.yaml'))
    .sort()
    .map((each) => join(checkout, definitionFolder, each))
}

async function folderNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
