/** Buffers from 8 KiB to 8 MiB, in powers of two; Node allocates smaller ones quickly enough. */
const smallestBits = 13
const largestBits = 23
const pooledBytesMin = 2 ** (smallestBits - 1) + 1
/** Buffers that were idle for this long are not needed: the pool frees them. */
const trimMs = 10_000

/**
 * Reusable memory for messages. A fresh buffer for each message costs more than everything else in an upload: the
 * system clears its pages, and the garbage collector accounts for it.
 */
export class BufferPool {
  readonly #waiting: ArrayBuffer[][] = Array.from({ length: largestBits - smallestBits + 1 }, () => [])
  // Buffers in use. Nothing about a buffer's shape distinguishes it from the first slice of one of Node's own slabs,
  // which is shared with whatever else was allocated recently.
  readonly #out = new WeakSet<ArrayBuffer>()
  readonly #waitingBytesMax: number
  #bytes = 0
  /** The minimum of idle bytes since the last trim. */
  #leastBytes = 0
  #timer: NodeJS.Timeout | undefined

  /** @param waitingBytesMax limit of idle buffers */
  constructor(waitingBytesMax = 32 * 1024 * 1024) {
    this.#waitingBytesMax = waitingBytesMax
  }

  /** A buffer of this length with arbitrary content. */
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
   * Returns a buffer that came from `take`; nobody may access it any more. Any other buffer, and one that was already
   * returned, is ignored.
   */
  give({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || !this.#out.delete(buffer)) return
    const own = this.#waiting[31 - Math.clz32(buffer.byteLength) - smallestBits]
    if (!own || !this.#makeRoom(buffer.byteLength, own)) return
    own.push(buffer)
    this.#bytes += buffer.byteLength
    this.#trimLater()
  }

  /** Idle bytes. */
  get waitingBytes(): number {
    return this.#bytes
  }

  /** Frees as much as has been idle since the last trim, the largest buffers first. */
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
   * Makes room for another buffer of a size if another size takes most of it: otherwise a few large messages would fill
   * the pool for good, with buffers that later ones cannot use.
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
