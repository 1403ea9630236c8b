import { unitsOf, type Work } from '../stream.ts'
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  frameHeadBytes,
  framePayloadBytesMax,
  preface,
} from './protocol.ts'
import { streamUnits } from './turns.ts'

/** Receives what the parser has read. Bytes belong to the parser again when a method returns. */
export interface FrameSink {
  /** The client speaks HTTP/2. */
  begins(): void
  /** A DATA frame begins. @param bytes its whole payload including padding: what flow control counts */
  dataBegins(id: number, bytes: number): void
  /** Bytes of that frame without its padding. */
  data(chunk: Buffer, start: number, end: number): void
  dataEnds(endStream: boolean): void
  /** Any other frame, complete: its payload is `buffer` from start to end. */
  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void
}

const Mode = { PREFACE: 0, HEAD: 1, PAD_LENGTH: 2, DATA: 3, PADDING: 4, WHOLE: 5 } as const
type Mode = (typeof Mode)[keyof typeof Mode]

/** Splits input from a socket, in chunks of any length, into frames. Buffers at most one frame, unless it is DATA. */
export class FrameParser {
  readonly #sink: FrameSink
  readonly #work: Work
  #mode: Mode = Mode.PREFACE
  /** The preface, a frame's head or a payload that did not arrive in one chunk. */
  #held = Buffer.allocUnsafe(preface.length)
  #filled = 0
  #type = 0
  #flags = 0
  #id = 0
  /** Remaining bytes of the payload; for DATA without its padding. */
  #left = 0
  #padding = 0

  /**
   * @param preface whether one comes first: clients send one, servers do not
   * @param work counts what frames cost
   */
  constructor(sink: FrameSink, preface = true, work: Work = { units: 0 }) {
    this.#sink = sink
    this.#work = work
    if (!preface) this.#mode = Mode.HEAD
  }

  /** False until the client has shown that it speaks HTTP/2. */
  get begun(): boolean {
    return this.#mode !== Mode.PREFACE
  }

  /**
   * Parses a chunk, up to the first frame that begins after this many units of work.
   * @returns where in the chunk it stopped: its length if all was consumed
   * @throws ConnectionError PROTOCOL_ERROR or FRAME_SIZE_ERROR, and what the sink throws
   */
  push(chunk: Buffer, start = 0, unitsMax = Number.POSITIVE_INFINITY): number {
    let at = start
    while (at < chunk.length || this.#settled()) {
      switch (this.#mode) {
        case Mode.PREFACE:
          at = this.#readPreface(chunk, at)
          break
        case Mode.HEAD:
          if (this.#work.units >= unitsMax) return at
          at = this.#readHead(chunk, at)
          break
        case Mode.PAD_LENGTH:
          this.#readPadLength(chunk[at] ?? 0)
          at += 1
          break
        case Mode.DATA:
          at = this.#readData(chunk, at)
          break
        case Mode.PADDING:
          at = this.#readPadding(chunk, at)
          break
        case Mode.WHOLE:
          at = this.#readWhole(chunk, at)
      }
    }
    return at
  }

  /** True if the next step needs no further byte: the end of an empty payload. */
  #settled(): boolean {
    return (
      (this.#mode === Mode.WHOLE && this.#left === 0) ||
      (this.#mode === Mode.DATA && this.#left === 0) ||
      (this.#mode === Mode.PADDING && this.#padding === 0)
    )
  }

  #readPreface(chunk: Buffer, start: number): number {
    const count = Math.min(preface.length - this.#filled, chunk.length - start)
    if (preface.compare(chunk, start, start + count, this.#filled, this.#filled + count) !== 0)
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'this is not an HTTP/2 connection')
    this.#filled += count
    if (this.#filled === preface.length) {
      this.#expectHead()
      this.#sink.begins()
    }
    return start + count
  }

  #expectHead(): void {
    this.#mode = Mode.HEAD
    this.#filled = 0
  }

  #readHead(chunk: Buffer, start: number): number {
    if (this.#filled === 0 && chunk.length - start >= frameHeadBytes) {
      this.#begin(chunk, start)
      return start + frameHeadBytes
    }
    const count = Math.min(frameHeadBytes - this.#filled, chunk.length - start)
    chunk.copy(this.#held, this.#filled, start, start + count)
    this.#filled += count
    if (this.#filled === frameHeadBytes) this.#begin(this.#held, 0)
    return start + count
  }

  #begin(head: Buffer, at: number): void {
    const length = head.readUIntBE(at, 3)
    this.#type = head[at + 3] ?? 0
    this.#flags = head[at + 4] ?? 0
    this.#id = head.readUInt32BE(at + 5) & 0x7fffffff
    if (length > framePayloadBytesMax)
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a frame larger than 16 KiB')
    this.#work.units += 1 + unitsOf(length) + (this.#type === FrameType.HEADERS ? streamUnits : 0)
    this.#left = length
    this.#filled = 0
    if (this.#type !== FrameType.DATA) {
      this.#mode = Mode.WHOLE
      return
    }
    this.#padding = 0
    if ((this.#flags & Flag.PADDED) !== 0 && length === 0)
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'padding without its length')
    this.#mode = (this.#flags & Flag.PADDED) !== 0 ? Mode.PAD_LENGTH : Mode.DATA
    this.#sink.dataBegins(this.#id, length)
  }

  #readPadLength(padding: number): void {
    this.#left -= 1 + padding
    this.#padding = padding
    if (this.#left < 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'more padding than payload')
    this.#mode = Mode.DATA
  }

  #readData(chunk: Buffer, start: number): number {
    const end = start + Math.min(this.#left, chunk.length - start)
    if (end > start) this.#sink.data(chunk, start, end)
    this.#left -= end - start
    if (this.#left === 0) this.#mode = Mode.PADDING
    return end
  }

  #readPadding(chunk: Buffer, start: number): number {
    const count = Math.min(this.#padding, chunk.length - start)
    this.#padding -= count
    if (this.#padding === 0) {
      this.#expectHead()
      this.#sink.dataEnds((this.#flags & Flag.END_STREAM) !== 0)
    }
    return start + count
  }

  #readWhole(chunk: Buffer, start: number): number {
    const end = start + Math.min(this.#left, chunk.length - start)
    if (this.#filled === 0 && end - start === this.#left) {
      this.#expectHead()
      this.#sink.frame(this.#type, this.#flags, this.#id, chunk, start, end)
      return end
    }
    const needed = this.#filled + this.#left
    if (this.#held.length < needed) this.#held = Buffer.allocUnsafe(needed)
    chunk.copy(this.#held, this.#filled, start, end)
    this.#filled += end - start
    this.#left -= end - start
    if (this.#left === 0) {
      const length = this.#filled
      this.#expectHead()
      this.#sink.frame(this.#type, this.#flags, this.#id, this.#held, 0, length)
    }
    return end
  }
}
