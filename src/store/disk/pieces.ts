import { Failure } from '../../core/failure.ts'
import { chunkBytesMax } from '../../core/limits.ts'
import type { Allocate, ReadRange } from '../blobs.ts'
import { chunkIsSound } from './checksums.ts'
import type { FileIo } from './file-io.ts'

/** A value in a file, whose chunks are checked one by one as they are read. */
export interface CheckedValue {
  readonly fd: number
  /** Where the value begins in the file. */
  readonly base: number
  readonly length: number
  readonly sums: Uint32Array
  /** For errors: the blob's name. */
  readonly name: string
  /** Called once, when nothing more will be read. */
  readonly release: () => void
  /** Called when a chunk is not what it should be. */
  readonly damaged: () => void
}

/**
 * The pieces of a range. The first is read and checked before this settles, so that most
 * damage makes the blob absent rather than a read that breaks off.
 * @returns undefined when the first piece is damaged
 */
export async function checkedPieces(
  value: CheckedValue,
  range: ReadRange,
  io: FileIo,
  allocate: Allocate,
): Promise<AsyncIterableIterator<Uint8Array> | undefined> {
  const end = Math.min(value.length, range.offset + (range.limit ?? value.length))
  let at = range.offset
  let ended = false
  let reading = false

  /** Nothing more will be read; the file is not let go under a read in flight. */
  function finish(): void {
    if (!ended && !reading) value.release()
    ended = ended || !reading
    at = end
  }

  /** The next piece, or undefined when it is damaged. */
  async function advance(): Promise<Uint8Array | undefined> {
    const chunk = Math.floor(at / chunkBytesMax)
    const start = at - chunk * chunkBytesMax
    reading = true
    const bytes = await readChunk(value, chunk, io, allocate).finally(() => {
      reading = false
    })
    const piece = bytes?.subarray(start, Math.min(bytes.byteLength, start + end - at))
    at = piece ? at + piece.byteLength : end
    if (at >= end) finish()
    if (!piece) value.damaged()
    return piece
  }

  async function advanceOrFinish(): Promise<Uint8Array | undefined> {
    try {
      return await advance()
    } catch (error) {
      finish()
      throw error
    }
  }

  let first: Uint8Array | undefined
  if (at >= end) finish()
  else {
    first = await advanceOrFinish()
    if (!first) return undefined
  }

  const pieces: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => pieces,
    async next() {
      const ready = first
      first = undefined
      if (ready) return { done: false, value: ready }
      if (at >= end) return { done: true, value: undefined }
      const piece = await advanceOrFinish()
      if (!piece) throw new Failure('corrupt', 'a stored blob is damaged; it was dropped', { where: value.name })
      return { done: false, value: piece }
    },
    async return() {
      first = undefined
      finish()
      return { done: true, value: undefined }
    },
  }
  return pieces
}

/** A whole chunk, or undefined when it is damaged or the file is too short. */
async function readChunk(
  { fd, base, length, sums }: CheckedValue,
  chunk: number,
  io: FileIo,
  allocate: Allocate,
): Promise<Uint8Array | undefined> {
  const from = chunk * chunkBytesMax
  const bytes = allocate(Math.min(chunkBytesMax, length - from))
  const reading = io.read(fd, bytes, base + from)
  const read = typeof reading === 'number' ? reading : await reading
  return read === bytes.byteLength && chunkIsSound(bytes, sums[chunk] ?? 0) ? bytes : undefined
}

/** The pieces of a value that is in memory already. */
export async function* slices(bytes: Uint8Array, range: ReadRange): AsyncGenerator<Uint8Array> {
  const end = Math.min(bytes.byteLength, range.offset + (range.limit ?? bytes.byteLength))
  for (let at = range.offset; at < end; at += chunkBytesMax) yield bytes.subarray(at, Math.min(end, at + chunkBytesMax))
}
