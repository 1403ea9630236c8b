import { gunzipSync } from 'node:zlib'
import { errnoOf } from '../core/failure.ts'
import type { Account } from './account.ts'
import type { BufferPool } from './pool.ts'
import { Code, RpcError } from './rpc.ts'
import { retryInfo } from './status.ts'
import { unitsOf, type Work } from './stream.ts'

/** One byte that says whether a message is compressed, four that say how long it is. */
const prefixBytes = 5
/**
 * A message that comes in pieces takes this much memory first. A piece of 64 KiB, as many clients
 * send them, with what stands around it fits: it is not moved. Once that is full it takes the
 * rest where memory is plentiful, and otherwise twice what has come, so that nobody ties up more
 * than twice what they send.
 */
const startBytesMax = 80 * 1024
const nothing = Buffer.alloc(0)
/** When a client that met the bound of memory may come back, in milliseconds. */
const retryMs = 1_000

export interface FrameLimits {
  /** The longest message, before and after it is unpacked. */
  readonly bytesMax: number
  /** Whether compressed messages are gzip; if not, none may come. */
  readonly gzip: boolean
  /** Where memory of incomplete messages is counted. */
  readonly memory: Account
  /** Where memory for messages comes from; it is given back by the code that is done with the message. */
  readonly pool: BufferPool | undefined
  /** Where the cost of messages is counted, in addition to their bytes. */
  readonly work?: Work
}

/** Takes what a reader has put together; what it throws comes out of the reader's push. */
export interface MessageSink {
  message(message: Buffer): void
}

/**
 * Puts messages together from chunks of any length ("Length-Prefixed-Message" in gRPC over
 * HTTP/2). It copies: a chunk is free again when `push` returns, and a small message does not
 * keep a large buffer alive. A class, since there is one for each call.
 */
export class FrameReader {
  readonly #limits: FrameLimits
  readonly #sink: MessageSink
  #prefix = 0
  #flags = 0
  /** Of the message that is being read; counts up while the prefix comes. */
  #length = 0
  #body: Buffer = nothing
  #filled = 0
  #reserved = 0

  constructor(limits: FrameLimits, sink: MessageSink) {
    this.#limits = limits
    this.#sink = sink
  }

  /** True between two messages; a request that ends elsewhere is cut off. */
  get idle(): boolean {
    return this.#prefix === 0
  }

  /**
   * Takes the bytes from start to end of a chunk, and hands over each message that it completes.
   * @throws RpcError RESOURCE_EXHAUSTED for a message that is too long, INTERNAL for one that
   *   cannot be unpacked; the reader is of no use afterwards
   */
  push(chunk: Buffer, start: number, end: number): void {
    let at = start
    while (at < end) {
      if (this.#prefix < prefixBytes) {
        at = this.#readPrefix(chunk, at, end)
        // Not whole yet, or of an empty message, which is complete already.
        if (this.#prefix < prefixBytes) continue
      }
      const count = Math.min(this.#length - this.#filled, end - at)
      this.#reserve(count)
      chunk.copy(this.#body, this.#filled, at, at + count)
      this.#filled += count
      at += count
      if (this.#filled === this.#length) this.#complete()
    }
  }

  /** Gives back what an incomplete message took. */
  drop(): void {
    if (this.#reserved > 0) this.#limits.memory.release(this.#reserved)
    this.#reserved = 0
    this.#body = nothing
  }

  #readPrefix(chunk: Buffer, start: number, end: number): number {
    let at = start
    while (this.#prefix < prefixBytes && at < end) {
      const byte = chunk[at] ?? 0
      if (this.#prefix === 0) this.#flags = byte
      else this.#length = this.#length * 256 + byte
      this.#prefix += 1
      at += 1
    }
    if (this.#prefix === prefixBytes) this.#checkPrefix()
    return at
  }

  #checkPrefix(): void {
    if (this.#flags > 1) throw new RpcError(Code.INTERNAL, 'malformed message: unknown flags')
    if (this.#flags === 1 && !this.#limits.gzip)
      throw new RpcError(Code.INTERNAL, 'a compressed message without a grpc-encoding')
    if (this.#length > this.#limits.bytesMax) throw tooLong(`of ${this.#length} bytes`, this.#limits.bytesMax)
    if (this.#length === 0) this.#complete()
  }

  /** Makes room for so many more bytes. */
  #reserve(count: number): void {
    const needed = this.#filled + count
    if (needed <= this.#body.length) return
    if (needed === this.#length && this.#filled === 0) {
      // All of it is here: the usual case.
      this.#body = this.#allocate(needed)
      return
    }
    const size = this.#sizeFor(needed)
    const more = size - this.#reserved
    if (!this.#limits.memory.tryHold(more)) throw tooMany()
    this.#reserved = size
    const body = this.#allocate(size)
    this.#body.copy(body, 0, 0, this.#filled)
    this.#limits.pool?.give(this.#body)
    this.#body = body
  }

  #sizeFor(needed: number): number {
    if (needed <= startBytesMax) return Math.min(this.#length, startBytesMax)
    if (this.#limits.memory.isPlenty(this.#length)) return this.#length
    return Math.min(this.#length, Math.max(needed, 2 * this.#body.length))
  }

  #allocate(length: number): Buffer {
    return this.#limits.pool?.take(length) ?? Buffer.allocUnsafe(length)
  }

  #complete(): void {
    const body = this.#body
    const compressed = this.#flags === 1
    this.drop()
    this.#prefix = 0
    this.#length = 0
    this.#filled = 0
    const { work } = this.#limits
    if (work) work.units += 1
    if (!compressed) {
      this.#sink.message(body)
      return
    }
    const unpacked = unpack(body, this.#limits.bytesMax)
    if (work) work.units += unitsOf(unpacked.length)
    this.#limits.pool?.give(body)
    this.#sink.message(unpacked)
  }
}

function unpack(body: Buffer, bytesMax: number): Buffer {
  try {
    return gunzipSync(body, { maxOutputLength: Math.max(bytesMax, 1) })
  } catch (error) {
    if (errnoOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLong('that unpacks to more', bytesMax)
    throw new RpcError(Code.INTERNAL, 'a compressed message that cannot be unpacked')
  }
}

/** The error for a client whose messages do not fit in memory next to those of others. */
export function tooMany(): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, 'too many large messages are in transit at once', [retryInfo(retryMs)])
}

function tooLong(what: string, bytesMax: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `a message ${what} is larger than the maximum of ${bytesMax} bytes`)
}
