import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errnoOf } from '../core/failure.ts'
import type { StreamSink } from './stream.ts'

type PipeSink = Pick<StreamSink, 'write'>

/** A pipe without a name. */
export interface Pipe {
  /** Its write end, to be passed to a process and then closed. */
  readonly writeFile: number
  /** Passes what is written to a sink, with back-pressure. undefined: discards it. */
  flowInto(sink: PipeSink | undefined): void
  /** Passes on what is left in it, once nothing writes to it any more. */
  drain(sink: PipeSink): Promise<void>
  /** Closes the read end. */
  close(): void
}

const pieceBytes = 64 * 1024
/** More than a pipe holds: an escaped process may go on writing. */
const drainedBytesMax = 64 * 1024 * 1024

/**
 * Makes pipes. What child_process calls a pipe is a socket, which cannot be opened as /dev/stderr, and Node cannot make
 * any other kind; hence named pipes, which are unlinked at once.
 * @param directory where they are created
 * @param path of `mkfifo`
 * @throws a system error, or the error of a failed `mkfifo`
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
  // Its writers are gone, or it is closed: both are noticed elsewhere.
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

/**
 * Shared buffer for reads that may find nothing, as most do: one of this size for each read would keep the garbage
 * collector busy.
 */
const scratch = Buffer.allocUnsafeSlow(pieceBytes)

/** undefined: nothing to read now. */
function readNow(file: number): Uint8Array | undefined {
  try {
    const bytes = readSync(file, scratch, 0, scratch.length, null)
    return bytes > 0 ? Uint8Array.prototype.slice.call(scratch, 0, bytes) : undefined
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return undefined
    throw error
  }
}
