/** Buffers from 8 KiB to 8 MiB, in powers of two; smaller ones Node makes quickly enough. */
const smallestBits = 13
const largestBits = 23
const pooledBytesMin = 2 ** (smallestBits - 1) + 1
/** What has waited all this time is not needed: the pool lets it go. */
const trimMs = 10_000

/**
 * Memory for messages that is used again. A fresh buffer for each message costs more than all
 * else that is done with an upload: the system clears its pages, the garbage collector counts it.
 */
export class BufferPool {
  readonly #waiting: ArrayBuffer[][] = Array.from({ length: largestBits - smallestBits + 1 }, () => [])
  // What is out. Nothing about a buffer's shape tells it apart from the first slice of one of
  // Node's own slabs, which is shared with whatever else was allocated lately.
  readonly #out = new WeakSet<ArrayBuffer>()
  readonly #waitingBytesMax: number
  #bytes = 0
  /** The least that has waited since the last trim. */
  #leastBytes = 0
  #timer: NodeJS.Timeout | undefined

  /** @param waitingBytesMax what all that wait may take */
  constructor(waitingBytesMax = 32 * 1024 * 1024) {
    this.#waitingBytesMax = waitingBytesMax
  }

  /** A buffer of this length with anything in it. */
  take(length: number): Buffer {
    if (length < pooledBytesMin || length > 2 ** largestBits) return Buffer.allocUnsafe(length)
    const bits = Math.max(32 - Math.clz32(length - 1), smallestBits)
    const waiting = this.#waiting[bits - smallestBits]?.pop()
    if (waiting) this.#remove(waiting)
    const memory = waiting ?? new ArrayBuffer(2 ** bits)
    this.#out.add(memory)
    return Buffer.from(memory, 0, length)
  }

  /**
   * Gives a buffer back that `take` gave; nobody may look at it any more. Any other buffer, and
   * one that was given back already, is left alone.
   */
  give({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || !this.#out.delete(buffer)) return
    const own = this.#waiting[31 - Math.clz32(buffer.byteLength) - smallestBits]
    if (!own || !this.#makeRoom(buffer.byteLength, own)) return
    own.push(buffer)
    this.#bytes += buffer.byteLength
    this.#trimLater()
  }

  /** Bytes that wait to be taken. */
  get waitingBytes(): number {
    return this.#bytes
  }

  /** Lets go of as much as has waited since the last trim without being taken, the largest first. */
  trim(): void {
    let excess = this.#leastBytes
    for (const waiting of this.#waiting.toReversed())
      while (waiting[0] && waiting[0].byteLength <= excess) {
        excess -= waiting[0].byteLength
        this.#bytes -= waiting.pop()?.byteLength ?? 0
      }
    this.#leastBytes = this.#bytes
    if (this.#bytes > 0) this.#trimLater()
  }

  #trimLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.trim()
    }, trimMs).unref()
  }

  #remove({ byteLength }: ArrayBuffer): void {
    this.#bytes -= byteLength
    this.#leastBytes = Math.min(this.#leastBytes, this.#bytes)
  }

  /**
   * Makes room for one more buffer of a size, where another size has most of it: a few large
   * messages would otherwise fill the pool for good, with what the next ones cannot use.
   */
  #makeRoom(bytes: number, own: readonly ArrayBuffer[]): boolean {
    while (this.#bytes + bytes > this.#waitingBytesMax) {
      const largest = this.#waiting.reduce((one, other) => (heldBy(other) > heldBy(one) ? other : one))
      if (largest === own || largest.length === 0) return false
      const dropped = largest.pop()
      if (dropped) this.#remove(dropped)
    }
    return true
  }
}

function heldBy(waiting: readonly ArrayBuffer[]): number {
  return waiting.length * (waiting[0]?.byteLength ?? 0)
}
