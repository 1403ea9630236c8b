import { lstatSync, renameSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'
import type { Need } from './need.ts'
import { isUntouched, removeFile, type Seal, sealOf } from './sealed.ts'

/** An unmodified copy that some action had. */
interface Spare {
  readonly key: string
  readonly path: string
  readonly size: number
  readonly executable: boolean
  readonly seal: Seal
}

/**
 * Copies that actions have left unmodified, each for one further action. A copy is in one place at a time: nobody else
 * sees it while an action has it. Moving it costs as much as making a hard link, a tenth of writing it again.
 */
export interface Spares {
  readonly bytes: number
  has(key: string): boolean
  /** Moves a copy to a path that does not exist yet; undefined when there is none. */
  take(key: string, path: string): Seal | undefined
  /**
   * Takes a copy from an action that has ended entirely, unless it has been modified.
   * @param seal the copy's seal when the action got it
   */
  give(key: string, need: Need, path: string, seal: Seal): void
  /** Removes the one that has been unused for longest; false when there is none. */
  removeOldest(): boolean
}

/** @param pathOf where a need's file would be in the cache: spares are kept beside it */
export function createSpares(pathOf: (need: Need) => string): Spares {
  const byKey = new Map<string, Spare[]>()
  const inOrder = new Set<Spare>()
  let bytes = 0
  let numbers = 0

  const forget = (spare: Spare) => {
    inOrder.delete(spare)
    bytes -= spare.size
    const others = (byKey.get(spare.key) ?? []).filter((each) => each !== spare)
    if (others.length > 0) byKey.set(spare.key, others)
    else byKey.delete(spare.key)
  }
  return {
    get bytes() {
      return bytes
    },
    has: (key) => byKey.has(key),
    take(key, path) {
      for (let spare = byKey.get(key)?.at(-1); spare; spare = byKey.get(key)?.at(-1)) {
        forget(spare)
        if (!isUntouched(spare.path, spare.size, spare.executable, spare.seal)) removeFile(spare.path)
        else {
          renameSync(spare.path, path)
          return sealOf(lstatSync(path))
        }
      }
      return undefined
    },
    give(key, need, path, seal) {
      const { executable } = need
      const { size } = need.digest
      numbers += 1
      const to = `${pathOf(need)}.${numbers}`
      try {
        if (!isUntouched(path, size, executable, seal)) return
        renameSync(path, to)
      } catch (error) {
        // The action has removed it, or a parent folder.
        if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error
        return
      }
      const spare = { key, path: to, size, executable, seal: sealOf(lstatSync(to)) }
      inOrder.add(spare)
      byKey.set(key, [...(byKey.get(key) ?? []), spare])
      bytes += size
    },
    removeOldest() {
      const [oldest] = inOrder
      if (!oldest) return false
      forget(oldest)
      removeFile(oldest.path)
      return true
    },
  }
}
