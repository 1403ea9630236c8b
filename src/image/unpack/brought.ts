import { lstatSync, readdirSync, unlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createTimeSlice } from '../../host/time-slice.ts'
import { tooLarge } from './room.ts'

/** What one layer has added to a tree, which its own whiteouts do not affect. */
export interface Brought {
  /** @throws Failure 'exhausted' when the total length of a layer's paths is too large */
  add(path: string): void
  /** Has the layer added this? If so, it has the folders above, too. */
  has(path: string): boolean
  /** Removes what the layers below have there, and nothing of this one. @throws a system error */
  clear(path: string): Promise<void>
}

/** Total length of the paths in a layer: some 800,000 of typical length. */
const pathCharactersMax = 64 * 1024 * 1024

/** @param tree its root folder, which counts as added */
export function createBrought(tree: string, where: string): Brought {
  const own = new Set([''])
  /** Folders with nothing left of the layers below: a repeated whiteout has nothing to do. */
  const cleared = new Set<string>()
  let characters = 0
  const slice = createTimeSlice()
  const within = (path: string) => path.slice(tree.length)

  const clear = async (path: string): Promise<void> => {
    if (slice.over) await slice.next()
    if (cleared.has(within(path))) return
    if (!own.has(within(path))) return removeAll(path)
    if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    cleared.add(within(path))
    for (const name of readdirSync(path)) await clear(join(path, name))
  }

  return {
    add(path) {
      if (own.has(within(path))) return
      own.add(within(path))
      characters += path.length - tree.length
      if (characters > pathCharactersMax) throw tooLarge('has a layer with too many and too long paths', where)
    },
    has: (path) => own.has(within(path)),
    clear,
  }
}

/** Removes what is there, if anything, asynchronously, since a folder may be huge. @throws a system error */
export async function removeAll(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isDirectory()) await rm(path, { recursive: true, force: true })
  else if (stats) unlinkSync(path)
}
