import { closeSync, constants, openSync, readSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { digestText } from '../core/digest.ts'
import { errnoOf } from '../core/failure.ts'
import type { Entry } from './content-index.ts'
import { smallFileBytesMax } from './need.ts'
import { removeFile, type Seal, sealFile, writeSealed } from './sealed.ts'

/** A cached file was modified or evicted before the action got it; can be tried again. */
export class InputsChanged extends Error {
  constructor({ digest }: Entry) {
    super(`a cached input has gone: ${digestText(digest)}`)
    this.name = 'InputsChanged'
  }
}

/** One buffer is enough: nothing else runs between reading and writing. */
const scratch = Buffer.allocUnsafeSlow(smallFileBytesMax)

/**
 * Copies a cached file of at most smallFileBytesMax.
 * @throws InputsChanged; a system error, including EEXIST; no file is left then
 */
export function copySmall(entry: Entry, path: string): Seal {
  const size = readInto(scratch, entry)
  if (size !== entry.digest.size) throw new InputsChanged(entry)
  return writeInput(path, scratch.subarray(0, size), entry.executable)
}

/** Writes an input of the action's own; when that fails, no file is left. */
export function writeInput(path: string, bytes: Uint8Array, executable: boolean): Seal {
  try {
    return writeSealed(path, bytes, executable)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') removeFile(path)
    throw error
  }
}

/**
 * Copies a cached file of any size without blocking the event loop; as a reflink, which shares blocks until one side
 * writes, where the file system supports that.
 * @throws InputsChanged; a system error, including EEXIST; no file is left then
 */
export async function copyLarge(entry: Entry, path: string): Promise<Seal> {
  try {
    await copyFile(entry.path, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  } catch (error) {
    throw errnoOf(error) === 'ENOENT' && entry.gone ? new InputsChanged(entry) : error
  }
  return sealFile(path, entry.executable)
}

/** @returns how much was read */
function readInto(buffer: Buffer, entry: Entry): number {
  if (entry.gone) throw new InputsChanged(entry)
  const file = openSync(entry.path, 'r')
  try {
    let at = 0
    for (let read = 1; read > 0 && at < buffer.length; at += read)
      read = readSync(file, buffer, at, Math.min(entry.digest.size + 1, buffer.length) - at, at)
    return at
  } finally {
    closeSync(file)
  }
}
