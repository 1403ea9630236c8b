import { lstatSync, renameSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'
import type { Need } from './need.ts'
import { isUntouched, removeFile, type Seal, sealOf } from './sealed.ts'
import { createSpareStock, type StockItem } from './spare-stock.ts'

/** An unmodified copy that some action had. */
interface Spare extends StockItem {
  readonly path: string
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
  const stock = createSpareStock<Spare>()
  let numbers = 0

  return {
    get bytes() {
      return stock.bytes
    },
    has: stock.has,
    take(key, path) {
      for (let spare = stock.latest(key); spare; spare = stock.latest(key)) {
        stock.remove(spare)
        if (!isUntouched(spare.path, spare.bytes, spare.executable, spare.seal)) removeFile(spare.path)
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
      stock.add({ key, bytes: size, path: to, executable, seal: sealOf(lstatSync(to)) })
    },
    removeOldest() {
      const oldest = stock.oldest()
      if (!oldest) return false
      stock.remove(oldest)
      removeFile(oldest.path)
      return true
    },
  }
}
