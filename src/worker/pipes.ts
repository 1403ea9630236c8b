import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errnoOf } from '../core/failure.ts'
import type { StreamSink } from './stream.ts'

type PipeSink = Pick<StreamSink, 'write'>

/** A pipe that has no name. */
export interface Pipe {
  /** Its writing end, to be handed to a process and then closed. */
  readonly writeFile: number
  /** Hands what is written to a sink, no faster than that takes it. undefined: nowhere. */
  flowInto(sink: PipeSink | undefined): void
  /** Hands over what is left in it, once nothing writes to it any more. */
  drain(sink: PipeSink): Promise<void>
  /** Closes the reading end. */
  close(): void
}

const pieceBytes = 64 * 1024
/** More than a pipe holds: where a process can escape, it may go on writing. */
const drainedBytesMax = 64 * 1024 * 1024

/**
 * Makes pipes. What child_process calls a pipe is a socket, which cannot be opened as /dev/stderr;
 * and Node makes no other, hence named pipes that lose their names at once.
 * @param directory where they stand meanwhile
 * @param path of `mkfifo`
 * @throws a system error, or that of a `mkfifo` that failed
 */
export async function makePipes(directory: string, names: readonly string[], path: string): Promise<Pipe[]> {
  const paths = names.map((name) => join(directory, name))
  const files: number[] = []
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths], { env: { PATH: path } })
    return paths.map((at) => {
      const readFile = openSync(at, constants.O_RDONLY | constants.O_NONBLOCK)
      files.push(readFile)
      const writeFile = openSync(at, constants.O_WRONLY)
      files.push(writeFile)
      return createPipe(readFile, writeFile)
    })
  } catch (error) {
    for (const file of files) closeSync(file)
    throw error
  } finally {
    for (const at of paths) rmSync(at, { force: true })
  }
}

function createPipe(readFile: number, writeFile: number): Pipe {
  const reader = new Socket({ fd: readFile, readable: true, writable: false })
  let into: PipeSink | undefined
  reader.on('data', (piece: Buffer) => {
    const sink = into
    const busy = sink?.write(piece)
    if (!busy) return
    reader.pause()
    busy.then(() => {
      if (into === sink) reader.resume()
    })
  })
  // Its writers have gone, or it is closed: both are known from elsewhere.
  reader.on('error', () => undefined)
  return {
    writeFile,
    flowInto(sink) {
      into = sink
      reader.resume()
    },
    async drain(sink) {
      into = undefined
      reader.pause()
      for (let piece: Buffer | null = reader.read(); piece; piece = reader.read()) await sink.write(piece)
      for (let bytes = 0; bytes < drainedBytesMax && !reader.destroyed; ) {
        const piece = readNow(readFile)
        if (!piece) break
        bytes += piece.byteLength
        await sink.write(piece)
      }
    },
    close: () => void reader.destroy(),
  }
}

/** For reads that may find nothing, as most do: a buffer of this size for each would keep the garbage collector busy. */
const scratch = Buffer.allocUnsafeSlow(pieceBytes)

/** undefined: nothing is there now. */
function readNow(file: number): Uint8Array | undefined {
  try {
    const bytes = readSync(file, scratch, 0, scratch.length, null)
    return bytes > 0 ? Uint8Array.prototype.slice.call(scratch, 0, bytes) : undefined
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return undefined
    throw error
  }
}
