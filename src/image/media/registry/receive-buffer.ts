/** Bytes of one segment, so of the largest read. */
const segmentBytes = 512 * 1024
/**
 * Bytes of the largest piece. Small enough that whoever writes a file gathers several, and goes on while they are
 * written; and what is hashed was just read, so it is near.
 */
const pieceBytesMax = 128 * 1024
/**
 * One is filled, one is used, and one is left for what still comes when reading was stopped: TLS
 * gives all that it has decrypted.
 */
const segmentsMax = 3
/** A segment with less room than this is full: a read costs a call, however little it brings. */
const roomBytesMin = 64 * 1024

/**
 * Memory that a connection reads a body into: while one segment is filled, pieces of others are
 * used. No byte is copied, and nothing is allocated for each read.
 */
export interface ReceiveBuffer {
  /** Where the next bytes have to go; never more than are left of the body. */
  room(): Uint8Array
  /** Takes note of bytes that went there. @returns false when reading has to stop until `resume` */
  filled(bytes: number): boolean
  /** The connection broke: what came before is still given, then this is thrown. */
  fail(error: unknown): void
  /** The body in pieces; each is valid until the next is asked for. */
  pieces(): AsyncGenerator<Uint8Array, void, undefined>
}

interface Segment {
  readonly bytes: Buffer
  filled: number
  /** Bytes that pieces were made of. */
  taken: number
  isLent: boolean
}

/**
 * @param size bytes of the body that are still to come
 * @param resume lets the connection read again after `filled` said false
 */
export function createReceiveBuffer(size: number, resume: () => void): ReceiveBuffer {
  const segment = (): Segment => ({
    bytes: Buffer.allocUnsafeSlow(Math.min(size, segmentBytes)),
    filled: 0,
    taken: 0,
    isLent: false,
  })
  let filling = segment()
  /** Segments with bytes, in their order; the last is the one that is filled. */
  const queue = [filling]
  const free: Segment[] = []
  let left = size
  let isStopped = false
  let failure: { readonly error: unknown } | undefined
  let wake: (() => void) | undefined

  const canTurn = (): boolean => free.length > 0 || queue.length < segmentsMax
  const turn = (): void => {
    const full = filling
    filling = free.pop() ?? segment()
    queue.push(filling)
    release(full)
  }
  /** Frees a segment that nobody fills, has or waits for. */
  const release = (used: Segment): void => {
    if (used === filling || used.isLent || used.taken < used.filled) return
    queue.splice(queue.indexOf(used), 1)
    used.filled = 0
    used.taken = 0
    free.push(used)
  }
  return {
    room() {
      return filling.bytes.subarray(filling.filled, filling.filled + left)
    },
    filled(bytes) {
      filling.filled += bytes
      left -= bytes
      if (left > 0 && filling.bytes.byteLength - filling.filled < roomBytesMin && canTurn()) turn()
      isStopped = left > 0 && !canTurn()
      wake?.()
      return left > 0 && !isStopped
    },
    fail(error) {
      failure ??= { error }
      wake?.()
    },
    async *pieces() {
      for (let given = 0; given < size; ) {
        const from = queue.find((each) => each.taken < each.filled)
        if (!from) {
          if (failure) throw failure.error
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          continue
        }
        const end = Math.min(from.filled, from.taken + pieceBytesMax)
        const piece = from.bytes.subarray(from.taken, end)
        from.taken = end
        from.isLent = true
        given += piece.byteLength
        yield piece
        from.isLent = false
        release(from)
        if (!isStopped || !canTurn()) continue
        isStopped = false
        resume()
      }
    },
  }
}
