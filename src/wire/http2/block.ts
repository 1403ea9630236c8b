import { ConnectionError, ErrorCode, Flag } from './protocol.ts'

/** The size of a header block in HEADERS and CONTINUATION frames. */
const blockBytesMax = 64 * 1024
/** Otherwise empty frames could go on for ever. */
const framesMax = 64

/** A complete header block: bytes of `buffer` from start to end. */
export interface HeaderBlock {
  readonly id: number
  readonly endStream: boolean
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
}

/** Assembles header blocks (RFC 9113, sections 6.2 and 6.10). */
export class BlockReader {
  #id = 0
  #endStream = false
  #parts: Buffer[] = []
  #bytes = 0

  /** True between a HEADERS frame and the last CONTINUATION of its block, when no other frame may come. */
  get open(): boolean {
    return this.#id !== 0
  }

  /**
   * A HEADERS frame, its payload including padding and priority.
   * @returns the block if it is already complete
   */
  headers(flags: number, id: number, buffer: Buffer, from: number, to: number): HeaderBlock | undefined {
    if (id % 2 === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'HEADERS on a stream that is not a client’s')
    let start = from
    let end = to
    if ((flags & Flag.PADDED) !== 0) {
      end -= buffer[start] ?? 0
      start += 1
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      if (start + 5 > end) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'truncated HEADERS')
      if ((buffer.readUInt32BE(start) & 0x7fffffff) === id)
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself')
      start += 5
    }
    if (start > end) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'more padding than payload')
    const endStream = (flags & Flag.END_STREAM) !== 0
    if ((flags & Flag.END_HEADERS) !== 0) return { id, endStream, buffer, start, end }
    this.#id = id
    this.#endStream = endStream
    this.#keep(buffer, start, end)
    return undefined
  }

  /** @returns the block if it is complete */
  continuation(flags: number, id: number, buffer: Buffer, start: number, end: number): HeaderBlock | undefined {
    if (id !== this.#id) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a CONTINUATION without HEADERS')
    this.#keep(buffer, start, end)
    if ((flags & Flag.END_HEADERS) === 0) return undefined
    const whole = Buffer.concat(this.#parts)
    this.#id = 0
    this.#parts = []
    this.#bytes = 0
    return { id, endStream: this.#endStream, buffer: whole, start: 0, end: whole.length }
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    this.#bytes += end - start
    this.#parts.push(Buffer.from(buffer.subarray(start, end)))
    if (this.#bytes > blockBytesMax || this.#parts.length > framesMax)
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a header block larger than 64 KiB')
  }
}
