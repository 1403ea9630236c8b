import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { systemFailure } from '../host/system-errors.ts'

/** Older files are left over from a copy that was killed; no file takes this long without growing. */
const leftoverMs = 24 * 60 * 60_000
const partialName = /^(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.partial$/

/** A file under a temporary name next to its final one, until it is complete. */
export interface PartialFile {
  readonly handle: FileHandle
  /** Syncs it and renames it to its final name. */
  finish(): Promise<void>
  /** Removes it, unless it has been renamed already. */
  discard(): Promise<void>
}

/**
 * Opens a file for writing.
 * @param path its final path
 * @throws Failure 'denied', 'exhausted', 'not-found' when its folder does not exist
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

/** Is this the name of a file being written, or abandoned by its writer? */
export function isPartial(name: string): boolean {
  return partialName.test(name)
}

/**
 * Removes what killed writers have left in one of our folders; files younger than a day may still be in use, by any
 * machine, and stay.
 * @param of the file whose leftovers they are; all by default
 */
export async function removeLeftovers(folder: string, of?: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const whose = partialName.exec(name)?.[1]
    if (whose === undefined || (of !== undefined && whose !== of)) continue
    const path = join(folder, name)
    const facts = await stat(path).catch(() => undefined)
    // One that cannot be removed takes up space but does no other harm.
    if (facts && Date.now() - facts.mtimeMs > leftoverMs) await rm(path, { force: true }).catch(() => undefined)
  }
}

const writingCalls: ReadonlySet<unknown> = new Set(['write', 'fsync', 'fdatasync', 'ftruncate', 'rename'])

/**
 * Runs work that writes a file, and translates errors of the disk. Errors of the content pass unchanged, since they may
 * come from another disk.
 */
export async function whileWriting<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isOurs = error instanceof Error && 'syscall' in error && writingCalls.has(error.syscall)
    throw isOurs ? diskFailure(error, path) : error
  }
}

/** An error of the operating system in terms of the path; any other error unchanged. */
export function diskFailure(error: unknown, path: string): unknown {
  return systemFailure(error, { doing: `cannot write ${basename(path)}`, where: path })
}
