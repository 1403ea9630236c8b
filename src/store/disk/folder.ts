import fs from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../host/folders.ts'
import { systemFailure } from '../../host/system-errors.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Aside, createAside, entriesOf } from './aside.ts'
import { checkFormat } from './format.ts'
import { lockStore } from './lock.ts'

/**
 * The folder of a store:
 *
 *     format      the version of all that lies here
 *     lock        see lock.ts; in-use is the same once more
 *     blobs/      segments of small blobs      results/   segments of action results
 *     large/xx/   one file for each large blob, by the first two digits of its hash
 *     incoming/   large blobs on their way in, and files on their way out; emptied at start
 *     set-aside/  what had one of these names and could not be used (aside.ts)
 */
export interface StoreFolder {
  readonly root: string
  readonly blobs: string
  readonly results: string
  readonly large: string
  readonly incoming: string
  readonly aside: Aside
  /** Lets another process have it. */
  unlock(): void
}

/**
 * Opens, or begins, the folder of a store, and locks it.
 * @throws Failure 'unavailable' while another process has it; 'precondition' when it is a store
 *   of another version; 'invalid' when it holds something else
 */
export function openStoreFolder(root: string, log: Log): StoreFolder {
  try {
    makeFolder(root, 'cannot make the folder of the store')
    const aside = createAside(root, log)
    const locks = [lockStore(join(root, 'lock'), root, aside)]
    const unlock = () => {
      for (const release of locks.splice(0)) release()
    }
    try {
      checkFormat(root, log, aside)
      const parts = prepare(root, log, aside)
      // Once more, under another name: a cleaner, or a person who takes "lock" for a leftover of a
      // crash, may remove that file from under a server that runs.
      locks.push(lockStore(join(root, 'in-use'), root, aside))
      return { ...parts, aside, unlock }
    } catch (error) {
      unlock()
      throw error
    }
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot open the store', where: root })
  }
}

function prepare(root: string, log: Log, aside: Aside): Omit<StoreFolder, 'aside' | 'unlock'> {
  const part = (name: string) => {
    const path = join(root, name)
    const found = fs.statSync(path, { throwIfNoEntry: false })
    // A symbolic link to nowhere is not found, but stands in the way.
    if (!found?.isDirectory() && fs.lstatSync(path, { throwIfNoEntry: false }))
      aside.move(path, `"${name}" is not a folder`)
    fs.mkdirSync(path, { recursive: true })
    return path
  }
  const incoming = part('incoming')
  for (const entry of entriesOf(incoming, log)) clear(join(incoming, entry.name), entry, aside)
  return { root, blobs: part('blobs'), results: part('results'), large: part('large'), incoming }
}

/** Files with the names of ours are ours. */
function clear(path: string, entry: fs.Dirent, aside: Aside): void {
  if (!/^\d+$/.test(entry.name)) return
  if (entry.isFile()) fs.unlinkSync(path)
  else aside.move(path, 'a blob on its way in is not a file')
}

/** Makes sure that the names in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.promises.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
