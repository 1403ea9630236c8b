import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Digest } from '../../core/digest.ts'
import type { BlobWriter } from '../blobs.ts'
import { createChecksummer } from './checksums.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { encodeTail, largeFileBytes } from './large-file.ts'
import type { Space } from './space.ts'
import type { Transfer } from './transfer.ts'

export interface LargeWriterOptions {
  readonly digest: Digest
  /** The temporary file. */
  readonly path: string
  readonly transfer: Transfer
  /** Holds the file's bytes already. */
  readonly space: Space
  readonly durability: Durability
  /** Puts the whole file in its place and settles its bytes; false when the blob is there already. */
  install(path: string): boolean
  /** Makes sure that the file's name survives a power cut. */
  syncNames(): Promise<void>
}

const syncAsync = promisify(fs.fsync)
const unlinkAsync = promisify(fs.unlink)

/** A large blob on its way in: a temporary file, and checksums behind its bytes at the end. */
export function createLargeWriter(options: LargeWriterOptions): BlobWriter {
  const { digest, path, transfer, space, durability } = options
  const checksummer = createChecksummer(digest.size)
  let fd: number | undefined
  let written = 0
  let ended = false

  /** The file is opened with the first bytes: a write that is only announced takes no descriptor. */
  function opened(): number {
    fd ??= fs.openSync(path, 'wx', 0o644)
    return fd
  }

  async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw diskFailure(error, doing, path)
    }
  }

  async function write(chunk: Uint8Array): Promise<void> {
    const writing = transfer.write(opened(), [chunk], written)
    written += chunk.byteLength
    checksummer.update(chunk)
    if (writing) await writing
  }

  async function finish(): Promise<void> {
    const file = opened()
    await transfer.write(file, [encodeTail(checksummer.finish())], digest.size)
    if (durability === 'power') await syncAsync(file)
    if (!options.install(path)) return abort()
    ended = true
    fs.closeSync(file)
    if (durability === 'power') await options.syncNames()
  }

  async function abort(): Promise<void> {
    if (ended) return
    ended = true
    if (fd !== undefined) {
      fs.closeSync(fd)
      await unlinkAsync(path)
    }
    space.release(largeFileBytes(digest.size))
  }

  return {
    get written() {
      return written
    },
    write: (chunk) => attempt('writing to the store', () => write(chunk)),
    commit: () => attempt('writing to the store', finish),
    abort: () => attempt('removing an unfinished blob', abort),
  }
}
