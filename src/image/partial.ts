import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { systemFailure } from '../host/system-errors.ts'

/** What a copy that was killed has left; no file takes so long without growing. */
const leftoverMs = 24 * 60 * 60_000
const partialName = /^(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.partial$/

/** A file under a temporary name beside its own, until it is whole. */
export interface PartialFile {
  readonly handle: FileHandle
  /** Syncs it and gives it its name. */
  finish(): Promise<void>
  /** Removes it, unless it has its name already. */
  discard(): Promise<void>
}

/**
 * Opens a file for writing.
 * @param path where it will stand
 * @throws Failure 'denied', 'exhausted', 'not-found' when its folder is not there
 */
export async function openPartial(path: string): Promise<PartialFile> {
  const temporary = `${path}.${randomUUID()}.partial`
  const handle = await open(temporary, 'wx', 0o644).catch((error: unknown) => {
    throw diskFailure(error, path)
  })
  return {
    handle,
    finish: () =>
      whileWriting(path, async () => {
        await handle.sync()
        await handle.close()
        await rename(temporary, path)
      }),
    async discard() {
      await handle.close()
      await rm(temporary, { force: true })
    },
  }
}

/** Is this the name of a file that is being written, or was when its writer died? */
export function isPartial(name: string): boolean {
  return partialName.test(name)
}

/**
 * Removes what writers that were killed have left in a folder of ours; what is younger than a day may still be
 * written, by whatever machine, and stays.
 * @param of the file whose leftovers they are; all by default
 */
export async function removeLeftovers(folder: string, of?: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const whose = partialName.exec(name)?.[1]
    if (whose === undefined || (of !== undefined && whose !== of)) continue
    const path = join(folder, name)
    const facts = await stat(path).catch(() => undefined)
    // One that cannot be removed takes room and does no other harm.
    if (facts && Date.now() - facts.mtimeMs > leftoverMs) await rm(path, { force: true }).catch(() => undefined)
  }
}

const writingCalls: ReadonlySet<unknown> = new Set(['write', 'fsync', 'fdatasync', 'ftruncate', 'rename'])

/**
 * Does work that writes a file, and tells what the disk says against it. What the content itself throws passes as
 * it is, since it may come from another disk.
 */
export async function whileWriting<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isOurs = error instanceof Error && 'syscall' in error && writingCalls.has(error.syscall)
    throw isOurs ? diskFailure(error, path) : error
  }
}

/** What an error of the operating system means to whoever named the path; any other error as it is. */
export function diskFailure(error: unknown, path: string): unknown {
  return systemFailure(error, { doing: `cannot write ${basename(path)}`, where: path })
}
