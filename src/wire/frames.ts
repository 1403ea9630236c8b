import { gunzipSync } from 'node:zlib'
import { errnoOf } from '../core/failure.ts'
import type { Account } from './account.ts'
import type { BufferPool } from './pool.ts'
import { Code, RpcError } from './rpc.ts'
import { retryInfo } from './status.ts'
import { unitsOf, type Work } from './stream.ts'

/** One byte that says whether the message is compressed, and four with its length. */
const prefixBytes = 5
/**
 * The initial allocation for a message that arrives in pieces. A piece of 64 KiB, which many clients send, fits with
 * its overhead and need not be moved. Once it is full, the rest is allocated at once if memory is plentiful; otherwise
 * twice what has arrived, so that nobody ties up more than twice what they send.
 */
const startBytesMax = 80 * 1024
const nothing = Buffer.alloc(0)
/** The retry delay for a client that hit the memory limit, in milliseconds. */
const retryMs = 1_000

export interface FrameLimits {
  /** The longest message, before and after decompression. */
  readonly bytesMax: number
  /** Whether compressed messages are gzip; if not, they are not allowed. */
  readonly gzip: boolean
  /** Accounts for the memory of incomplete messages. */
  readonly memory: Account
  /** Provides memory for messages; whoever is done with a message gives it back. */
  readonly pool: BufferPool | undefined
  /** Counts the cost of messages, in addition to their bytes. */
  readonly work?: Work
}

/** Receives the messages of a reader; what it throws comes out of the reader's push. */
export interface MessageSink {
  message(message: Buffer): void
}

/**
 * Assembles messages from chunks of any length ("Length-Prefixed-Message" in gRPC over HTTP/2). It copies: a chunk may
 * be reused when `push` returns, and a small message does not keep a large buffer alive. A class, since there is one
 * per call.
 */
export class FrameReader {
  readonly #limits: FrameLimits
  readonly #sink: MessageSink
  #prefix = 0
  #flags = 0
  /** Of the current message; accumulates while the prefix arrives. */
  #length = 0
  #body: Buffer = nothing
  #filled = 0
  #reserved = 0

  constructor(limits: FrameLimits, sink: MessageSink) {
    this.#limits = limits
    this.#sink = sink
  }

  /** True between two messages; a request that ends elsewhere is truncated. */
  get idle(): boolean {
    return this.#prefix === 0
  }

  /**
   * Consumes the bytes from start to end of a chunk, and emits each message that they complete.
   * @throws RpcError RESOURCE_EXHAUSTED for a message that is too long, INTERNAL for one that cannot be decompressed;
   *   the reader is unusable afterwards
   */
  push(chunk: Buffer, start: number, end: number): void {
    let at = start
    while (at < end) {
      if (this.#prefix < prefixBytes) {
        at = this.#readPrefix(chunk, at, end)
        // Not complete yet, or the prefix of an empty message, which is complete already.
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

  /** Frees the memory of an incomplete message. */
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

  /** Makes room for this many more bytes. */
  #reserve(count: number): void {
    const needed = this.#filled + count
    if (needed <= this.#body.length) return
    if (needed === this.#length && this.#filled === 0) {
      // All of it has arrived: the usual case.
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

/** The error for a client whose messages do not fit in memory beside those of others. */
export function tooMany(): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, 'too many large messages are in transit at once', [retryInfo(retryMs)])
}

function tooLong(what: string, bytesMax: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `a message ${what} is larger than the maximum of ${bytesMax} bytes`)
}
