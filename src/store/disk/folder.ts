import fs from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { diskFailure } from './errors.ts'
import { takeLock } from './lock.ts'
import { makeFolder } from './make-folder.ts'

/**
 * The folder of a store:
 *
 *     format      the version of all that lies here
 *     lock        see lock.ts
 *     blobs/      segments of small blobs      results/   segments of action results
 *     large/xx/   one file for each large blob, by the first two digits of its hash
 *     incoming/   large blobs on their way in, and files on their way out; emptied at start
 */
export interface StoreFolder {
  readonly root: string
  readonly blobs: string
  readonly results: string
  readonly large: string
  readonly incoming: string
  /** Lets another process have it. */
  unlock(): void
}

/** Raised whenever any file's layout changes. */
export const formatVersion = 1
const formatText = (version: number) => `native store ${version}\n`
const formatLine = /^native store (\d+)\n$/

/**
 * Opens, or begins, the folder of a store, and locks it.
 * @throws Failure 'unavailable' while another process has it; 'precondition' when it is a store
 *   of another version; 'invalid' when it holds something else
 */
export function openStoreFolder(root: string): StoreFolder {
  try {
    makeFolder(root, 'the store')
    const unlock = takeLock(join(root, 'lock'), root)
    try {
      return { ...prepare(root), unlock }
    } catch (error) {
      unlock()
      throw error
    }
  } catch (error) {
    throw diskFailure(error, 'opening the store', root)
  }
}

function prepare(root: string): Omit<StoreFolder, 'unlock'> {
  checkFormat(root)
  const [blobs, results, large, incoming] = ['blobs', 'results', 'large', 'incoming'].map((name) => join(root, name))
  if (!blobs || !results || !large || !incoming) throw new Failure('internal', 'a part of the store has no name')
  fs.rmSync(incoming, { recursive: true, force: true })
  for (const folder of [blobs, results, large, incoming]) fs.mkdirSync(folder, { recursive: true })
  return { root, blobs, results, large, incoming }
}

function checkFormat(root: string): void {
  const file = join(root, 'format')
  const names = fs.readdirSync(root).filter((name) => name !== 'format.new' && !name.startsWith('lock'))
  if (names.length === 0) {
    // Renamed into place whole, so that a kill in between leaves no half of it.
    fs.writeFileSync(join(root, 'format.new'), formatText(formatVersion))
    fs.renameSync(join(root, 'format.new'), file)
    return
  }
  if (!names.includes('format'))
    throw new Failure('invalid', 'the folder is not empty, and what it holds is no store', {
      where: root,
      next: ['Name an empty folder, or one that does not exist yet.'],
    })
  assertVersion(Number(formatLine.exec(fs.readFileSync(file, 'utf8'))?.[1] ?? Number.NaN), file)
}

/** @throws Failure 'precondition' unless this program reads that version */
export function assertVersion(version: number, file: string): void {
  if (version === formatVersion) return
  throw new Failure(
    'precondition',
    `the store was written in format ${Number.isNaN(version) ? '(unreadable)' : version}; this program reads ${formatVersion}`,
    { where: file, next: ['Use the program that wrote it, or remove the folder: the cache then begins empty.'] },
  )
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
