import type { Socket } from 'node:net'
import { type ErrorCode, Flag, FrameType, frameHeadBytes } from './protocol.ts'

const slabBytes = 64 * 1024
/** Payloads up to this size are copied next to their frame's head; for larger ones a reference is cheaper. */
const copyBytesMax = 4 * 1024
/** From this size on, output is flushed before the tick ends. */
const flushBytes = 256 * 1024

/** RFC 7541, section 6.3: the table's size is 0. */
const noTable = 0x20

/**
 * Collects frames and gives them to the socket in a few large writes: at the end of a read, at the end of the tick, or
 * when enough has accumulated.
 */
export class Output {
  readonly #socket: Socket
  #slab = Buffer.allocUnsafeSlow(slabBytes)
  /** The filled part of the slab that is not among the parts yet. */
  #start = 0
  #end = 0
  #parts: Uint8Array[] = []
  /** Called when the parts have been sent. */
  #sent: (() => void)[] = []
  #bytes = 0
  #scheduled = false
  #tableChanged = false
  readonly #flushNow = () => {
    this.#scheduled = false
    this.flush()
  }

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** True while the socket's buffer is full; its drain event ends that. */
  get blocked(): boolean {
    return this.#socket.writableNeedDrain
  }

  frameHead(type: number, flags: number, id: number, length: number): void {
    const at = this.#room(frameHeadBytes)
    const slab = this.#slab
    slab[at] = length >>> 16
    slab[at + 1] = length >>> 8
    slab[at + 2] = length
    slab[at + 3] = type
    slab[at + 4] = flags
    slab[at + 5] = id >>> 24
    slab[at + 6] = id >>> 16
    slab[at + 7] = id >>> 8
    slab[at + 8] = id
  }

  byte(value: number): void {
    const at = this.#room(1)
    this.#slab[at] = value
  }

  uint32(value: number): void {
    const at = this.#room(4)
    this.#slab.writeUInt32BE(value, at)
  }

  /**
   * Bytes that do not change until they are sent.
   * @param sent called when these and all before them have been sent; not if the connection breaks first
   */
  bytes(source: Uint8Array, start = 0, end = source.length, sent?: () => void): void {
    const length = end - start
    if (sent) this.#sent.push(sent)
    if (length <= copyBytesMax) {
      const at = this.#room(length)
      if (start === 0 && end === source.length) this.#slab.set(source, at)
      else this.#slab.set(source.subarray(start, end), at)
      return
    }
    this.#cut()
    this.#parts.push(length === source.length ? source : source.subarray(start, end))
    this.#bytes += length
    if (this.#bytes >= flushBytes) this.flush()
  }

  headers(id: number, block: Uint8Array, endStream: boolean): void {
    const flags = Flag.END_HEADERS | (endStream ? Flag.END_STREAM : 0)
    this.frameHead(FrameType.HEADERS, flags, id, block.length + (this.#tableChanged ? 1 : 0))
    if (this.#tableChanged) this.byte(noTable)
    this.#tableChanged = false
    this.bytes(block)
  }

  /** The client changed the size of its header table: the next block says that we use none. */
  tableChanged(): void {
    this.#tableChanged = true
  }

  windowUpdate(id: number, bytes: number): void {
    this.frameHead(FrameType.WINDOW_UPDATE, 0, id, 4)
    this.uint32(bytes)
  }

  reset(id: number, code: ErrorCode): void {
    this.frameHead(FrameType.RST_STREAM, 0, id, 4)
    this.uint32(code)
  }

  /** Schedules a flush of what was written. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flushNow)
  }

  flush(): void {
    this.#cut()
    const parts = this.#parts
    if (parts.length === 0) return
    this.#parts = []
    this.#bytes = 0
    const done = this.#takeSent()
    const socket = this.#socket
    if (!socket.writable) return
    const last = parts.pop()
    if (!last) return
    if (parts.length === 0) {
      socket.write(last, done)
      return
    }
    socket.cork()
    for (const part of parts) socket.write(part)
    socket.write(last, done)
    socket.uncork()
  }

  /** The callback for a write that contains everything given so far. */
  #takeSent(): ((error?: Error | null) => void) | undefined {
    const sent = this.#sent
    if (sent.length === 0) return undefined
    this.#sent = []
    return (error) => {
      if (!error) for (const each of sent) each()
    }
  }

  /** Where this many bytes may be written. */
  #room(length: number): number {
    if (this.#slab.length - this.#end < length) {
      this.#cut()
      this.#slab = Buffer.allocUnsafeSlow(slabBytes)
      this.#start = 0
      this.#end = 0
    }
    const at = this.#end
    this.#end += length
    return at
  }

  #cut(): void {
    if (this.#end === this.#start) return
    this.#parts.push(this.#slab.subarray(this.#start, this.#end))
    this.#bytes += this.#end - this.#start
    this.#start = this.#end
  }
}
