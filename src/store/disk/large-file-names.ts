import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from '../../core/failure.ts'
import { syncFolder } from './folder.ts'

/** Gives large blobs' files their names. */
export interface LargeFileNames {
  /** A path for a file that is not complete yet, or is about to be removed. */
  temporary(): string
  /** Moves a complete file to its path in the store. @throws the system's error */
  place(from: string, target: string): void
  /** Makes sure that the name of a file at this path survives a power cut. */
  sync(target: string): Promise<void>
}

/**
 * @param folder the store's files, in folders of their own
 * @param incoming holds temporary files
 */
export function createLargeFileNames(folder: string, incoming: string): LargeFileNames {
  let temporaries = 0
  /** Were any made whose names may not be on disk yet? */
  let newFolders = false
  return {
    temporary() {
      temporaries += 1
      return join(incoming, String(temporaries))
    },
    /** Only the first blob of a folder finds none: to make sure each time would cost as much as the move. */
    place(from, target) {
      try {
        fs.renameSync(from, target)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error
        if (fs.mkdirSync(dirname(target), { recursive: true })) newFolders = true
        fs.renameSync(from, target)
      }
    },
    async sync(target) {
      await syncFolder(dirname(target))
      if (!newFolders) return
      await syncFolder(folder)
      newFolders = false
    },
  }
}
