import {
  chmodSync,
  closeSync,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  type Stats,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { errnoOf } from '../core/failure.ts'

/**
 * Detects that somebody has changed a cached file. Every cached file has one fixed modification time, size and mode;
 * its inode and change time are recorded whenever we have written, linked or unlinked it. A program can set a
 * modification time back, but no call sets a change time. What this cannot show is a write through a mapping of a page
 * that had been written to before, so a file that was modified once is never used again.
 */
export interface Seal {
  readonly inode: number
  /** Milliseconds since 1970 with fractions: the kernel's resolution is finer than one. */
  readonly changedMs: number
}

/** 2000-01-01 00:00 UTC, in seconds: a time that no running program gives a file by default. */
const sealedTime = 946_684_800
/** Read-only, so that nobody writes to an input by accident. */
const modeOf = (executable: boolean): number => (executable ? 0o555 : 0o444)

/** Writes a new cached file. */
export function writeSealed(path: string, bytes: Uint8Array, executable: boolean): Seal {
  const file = openSync(path, 'wx', modeOf(executable))
  try {
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(file, bytes, at)
    futimesSync(file, sealedTime, sealedTime)
    return sealOf(fstatSync(file))
  } finally {
    closeSync(file)
  }
}

/** Turns an existing file into a cached one. */
export function sealFile(path: string, executable: boolean): Seal {
  chmodSync(path, modeOf(executable))
  utimesSync(path, sealedTime, sealedTime)
  return sealOf(lstatSync(path))
}

/** The file's new seal after we have linked or unlinked it; undefined when anything else has changed. */
export function resealed(path: string, size: number, executable: boolean, before: Seal): Seal | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats && stats.ino === before.inode && looksSealed(stats, size, executable) ? sealOf(stats) : undefined
}

/** Is the file as it was when it was sealed? */
export function isUntouched(path: string, size: number, executable: boolean, seal: Seal): boolean {
  return resealed(path, size, executable, seal)?.changedMs === seal.changedMs
}

/** Removes a file that may be gone already. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

/** The write bits have to be off and the owner's executable bit right; a umask may clear others. */
function looksSealed(stats: Stats, size: number, executable: boolean): boolean {
  const mode = stats.mode & 0o777
  return (
    stats.isFile() &&
    stats.size === size &&
    stats.mtimeMs === sealedTime * 1000 &&
    (mode & 0o222) === 0 &&
    ((mode & 0o100) !== 0) === executable
  )
}

/** A file's current seal. */
export function sealOf(stats: Stats): Seal {
  return { inode: stats.ino, changedMs: stats.ctimeMs }
}
