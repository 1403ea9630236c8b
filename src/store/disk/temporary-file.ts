import fs from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf, messageOf } from '../../core/failure.ts'
import { isDiskFull } from '../../host/system-errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { FileIo } from './file-io.ts'
import { withDiskRoom } from './full-disk.ts'

/** A file that is being written, and is no blob yet. */
export interface TemporaryFile {
  /** False while it has no bytes. */
  readonly opened: boolean
  /**
   * Writes all bytes, making room when the disk is full. The file is opened with the first bytes: a write that is only
   * announced takes no descriptor.
   * @returns undefined when they are written already
   */
  write(bytes: Uint8Array, position: number): undefined | Promise<void>
  /** Waits until its bytes survive a power cut. */
  sync(): Promise<void>
  close(): void
  /** Closes and removes it, as far as that is possible. */
  discard(): Promise<void>
}

export interface TemporaryFileOptions {
  readonly path: string
  readonly io: FileIo
  readonly log: Log
  /** The disk is full: evicts something; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
}

const syncAsync = promisify(fs.fsync)
const unlinkAsync = promisify(fs.unlink)

export function createTemporaryFile({ path, io, log, relieve }: TemporaryFileOptions): TemporaryFile {
  let fd: number | undefined

  function descriptor(): number {
    fd ??= fs.openSync(path, 'wx', 0o644)
    return fd
  }

  async function againIfFull(error: unknown, bytes: Uint8Array, position: number): Promise<void> {
    if (!isDiskFull(error)) throw error
    await withDiskRoom(
      async () => io.write(descriptor(), [bytes], position),
      () => relieve(bytes.length),
    )
  }

  return {
    get opened() {
      return fd !== undefined
    },
    write(bytes, position) {
      try {
        const writing = io.write(descriptor(), [bytes], position)
        return writing?.catch((error: unknown) => againIfFull(error, bytes, position))
      } catch (error) {
        return againIfFull(error, bytes, position)
      }
    },
    sync: () => syncAsync(descriptor()),
    close() {
      if (fd !== undefined) fs.closeSync(fd)
    },
    async discard() {
      if (fd === undefined) return
      try {
        fs.closeSync(fd)
      } catch (error) {
        // The disk may say only now that it had no room for what was written; the descriptor is gone in any case.
        log.warn('cannot close an unfinished blob', { file: path, reason: messageOf(error) })
      }
      try {
        await unlinkAsync(path)
      } catch (error) {
        // A file that stays is removed at the next start; until then it must not take room from other writes.
        if (errnoOf(error) !== 'ENOENT')
          log.warn('cannot remove an unfinished blob', { file: path, reason: messageOf(error) })
      }
    },
  }
}
