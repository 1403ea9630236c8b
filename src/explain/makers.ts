import type { ActionRecord } from '../core/build-history.ts'
import { checkedDigest, type Digest, digestText } from '../core/digest.ts'
import { ifWellFormed } from '../core/failure.ts'
import { treeDepthMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { Outputs } from './build-outputs.ts'
import { decodeAs, type Load, loadable } from './load.ts'

/** The actions whose outputs another one reads. */
export interface Makers {
  /** Each with one of the paths that it made. */
  readonly found: ReadonlyMap<ActionRecord, string>
  /** Was every part of the input tree examined that the build may have made? */
  readonly isComplete: boolean
}

interface Folder {
  readonly path: string
  readonly digest: Digest
}

/**
 * Descends into an action's input tree only where the build has made something: the folders of a toolchain are not
 * read.
 * @param budget how many Directories may be read; it is reduced
 */
export async function makersOf(
  action: ActionRecord,
  outputs: Outputs,
  load: Load,
  budget: { directories: number },
): Promise<Makers> {
  const found = new Map<ActionRecord, string>()
  let isComplete = action.inputRoot !== undefined
  function see(path: string): boolean {
    const maker = outputs.maker(path)
    if (maker && !found.has(maker)) found.set(maker, path)
    return maker !== undefined
  }
  let level: readonly Folder[] = action.inputRoot ? [{ path: '', digest: action.inputRoot }] : []
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > treeDepthMax || level.length > budget.directories) return { found, isComplete: false }
    budget.directories -= level.length
    const bytes = await load(level.map(({ digest }) => digest).filter(loadable))
    level = level.flatMap(({ path, digest }): readonly Folder[] => {
      const directory = directoryOf(digest, bytes)
      if (!directory) isComplete = false
      const at = (name: string | null | undefined) => (path === '' ? `${name ?? ''}` : `${path}/${name ?? ''}`)
      for (const { name } of [...(directory?.files ?? []), ...(directory?.symlinks ?? [])]) see(at(name))
      return (directory?.directories ?? []).flatMap(({ name, digest: child }): readonly Folder[] => {
        const below = at(name)
        if (see(below) || !outputs.hasBelow(below)) return []
        // Whatever a client has uploaded, the rest of the path is worth showing.
        const its = ifWellFormed(() => checkedDigest(digest.fn, child?.hash ?? '', child?.sizeBytes ?? 0, below))
        if (!its) isComplete = false
        return its ? [{ path: below, digest: its }] : []
      })
    })
  }
  return { found, isComplete }
}

/** @returns undefined if it is not available, or is not one */
function directoryOf(digest: Digest, found: ReadonlyMap<string, Uint8Array>): re.Directory | undefined {
  const key = digestText(digest)
  const bytes = digest.size === 0 ? new Uint8Array() : found.get(key)
  return bytes && ifWellFormed(() => decodeAs(re.Directory, bytes, key, 'a Directory'))
}
