import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform, Writable } from 'node:stream'
import { logFileName, rotatedLogsMax } from '../../config/supervisor.ts'
import { ifThere } from '../../host/files.ts'

/** Longer lines are split, so that a server that never ends a line uses no more memory. */
const lineBytesMax = 64 * 1024
const newline = 10

/**
 * A server's log file. When a write would exceed bytesMax, the file becomes `NAME.log.1`, older ones move up, and the
 * oldest is deleted. It never fails: a write that the disk refuses is dropped and reported to `failed`, since a blocked
 * stream would block the server.
 */
export function rotatingLog(
  folder: string,
  server: string,
  bytesMax: number,
  failed: (error: unknown) => void,
): Writable {
  let file: FileHandle | undefined
  let size = 0

  async function opened(): Promise<FileHandle> {
    if (file) return file
    file = await open(join(folder, logFileName(server)), 'a', 0o600)
    size = (await file.stat()).size
    return file
  }

  async function append(chunk: Buffer): Promise<void> {
    let target = await opened()
    if (size > 0 && size + chunk.length > bytesMax) {
      await rotate()
      target = await opened()
    }
    await target.appendFile(chunk)
    size += chunk.length
  }

  async function rotate(): Promise<void> {
    await file?.close()
    file = undefined
    await rm(join(folder, logFileName(server, rotatedLogsMax)), { force: true })
    for (let age = rotatedLogsMax - 1; age >= 0; age -= 1)
      await ifThere(rename(join(folder, logFileName(server, age)), join(folder, logFileName(server, age + 1))))
  }

  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      append(chunk)
        .catch(failed)
        .then(() => done(), done)
    },
    final(done) {
      Promise.resolve(file?.close())
        .catch(failed)
        .then(() => done(), done)
    },
  })
}

/** Passes on whole lines only, so that two streams can share a log. Lines longer than 64 KiB are split. */
export function wholeLines(): Transform {
  let rest: Buffer = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const end = chunk.lastIndexOf(newline) + 1
      const lines = end > 0 ? [rest, chunk.subarray(0, end)] : []
      rest = end > 0 ? Buffer.from(chunk.subarray(end)) : Buffer.concat([rest, chunk])
      if (rest.length > lineBytesMax) {
        lines.push(rest, Buffer.from('\n'))
        rest = Buffer.alloc(0)
      }
      done(null, lines.length > 0 ? Buffer.concat(lines) : undefined)
    },
    flush(done) {
      done(null, rest.length > 0 ? Buffer.concat([rest, Buffer.from('\n')]) : undefined)
    },
  })
}
