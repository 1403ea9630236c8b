/** Buffers from 8 KiB to 8 MiB, in powers of two; smaller ones Node makes quickly enough. */
const smallestBits = 13
const largestBits = 23
const pooledBytesMin = 2 ** (smallestBits - 1) + 1
/** What all that wait may take. */
const waitingBytesMax = 32 * 1024 * 1024

/**
 * Memory for messages that is used again. A fresh buffer for each message costs more than all
 * else that is done with an upload: the system clears its pages, the garbage collector counts it.
 */
export class BufferPool {
  readonly #waiting: ArrayBuffer[][] = Array.from({ length: largestBits - smallestBits + 1 }, () => [])
  #bytes = 0

  /** A buffer of this length with anything in it. */
  take(length: number): Buffer {
    if (length < pooledBytesMin || length > 2 ** largestBits) return Buffer.allocUnsafe(length)
    const bits = Math.max(32 - Math.clz32(length - 1), smallestBits)
    const waiting = this.#waiting[bits - smallestBits]?.pop()
    if (!waiting) return Buffer.from(new ArrayBuffer(2 ** bits), 0, length)
    this.#bytes -= waiting.byteLength
    return Buffer.from(waiting, 0, length)
  }

  /** Gives a buffer back that `take` gave; nobody may look at it any more, and nobody may give it twice. */
  give({ buffer, byteOffset }: Buffer): void {
    const bits = 31 - Math.clz32(buffer.byteLength)
    const waiting = this.#waiting[bits - smallestBits]
    const ours = waiting && byteOffset === 0 && buffer.byteLength === 2 ** bits && buffer instanceof ArrayBuffer
    if (!ours || this.#bytes + buffer.byteLength > waitingBytesMax) return
    waiting.push(buffer)
    this.#bytes += buffer.byteLength
  }
}
