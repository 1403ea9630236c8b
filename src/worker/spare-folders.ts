import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { bytesIn, type FolderSeal, resealFolder, untouchedFolders } from './folder-seals.ts'
import { createSpareStock, type StockItem } from './spare-stock.ts'

/** A folder with all that is below it, as some action had it. */
interface SpareFolder extends StockItem {
  readonly path: string
  readonly folder: FolderSeal
}

/**
 * Folders that actions have left unmodified, each for one further action that needs the same. Moving one costs a look
 * at each entry, which is a fraction of moving its files.
 */
export interface SpareFolders {
  readonly bytes: number
  has(key: string): boolean
  /**
   * Moves a folder to a path that does not exist yet, unless it was modified; undefined when there is none.
   * @param name the last segment of the path
   */
  take(key: string, path: string, name: string): Generator<void, FolderSeal | undefined>
  /** Takes a folder from an action that has ended entirely, and that has left it unmodified. */
  give(folder: FolderSeal, path: string): void
  /** Removes the one that has been unused for longest, now or later; false when there is none. */
  removeOldest(remove: (path: string) => void): boolean
}

/** @param discard removes a folder, now or later */
export function createSpareFolders(directory: string, discard: (path: string) => void): SpareFolders {
  const stock = createSpareStock<SpareFolder>()
  let numbers = 0

  return {
    get bytes() {
      return stock.bytes
    },
    has: stock.has,
    *take(key, path, name) {
      const spare = stock.latest(key)
      if (!spare) return undefined
      // From now on it is nobody else's, also while others have their turn.
      stock.remove(spare)
      let isTaken = false
      try {
        const whole = new Set<FolderSeal>()
        yield* untouchedFolders(spare.folder, spare.path, whole)
        if (!whole.has(spare.folder)) return undefined
        renameSync(spare.path, path)
        isTaken = true
        return resealFolder({ ...spare.folder, name }, path)
      } finally {
        if (!isTaken) discard(spare.path)
      }
    },
    give(folder, path) {
      if (numbers === 0) mkdirSync(directory, { recursive: true })
      numbers += 1
      const to = join(directory, String(numbers))
      renameSync(path, to)
      stock.add({ key: folder.key, bytes: bytesIn(folder), path: to, folder: resealFolder(folder, to) })
    },
    removeOldest(remove) {
      const oldest = stock.oldest()
      if (!oldest) return false
      stock.remove(oldest)
      remove(oldest.path)
      return true
    },
  }
}
