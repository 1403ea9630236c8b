import type { Rest } from '../rpc.ts'
import type { Output } from './output.ts'

/** One byte that says that a message is not compressed, and four with its length. */
export const prefixBytes = 5

/** Bytes queued on one stream: the sender is held back above the first, until they fall below the second. */
export const pendingBytesMax = 256 * 1024
export const pendingBytesLow = 64 * 1024

/** Messages up to this size are copied after their prefix. */
const copyBytesMax = 64

/** Messages of one answer that wait for flow-control window; by reference, only the shortest are copied. */
export class Pending {
  readonly #pieces: Rest[] = []
  /** The part of the first piece that has been sent. */
  #sent = 0

  /** @returns how many more bytes are queued */
  append(message: Uint8Array, rest?: Rest): number {
    const length = message.length + (rest?.bytes.length ?? 0)
    const copied = message.length <= copyBytesMax ? message.length : 0
    const head = Buffer.allocUnsafe(prefixBytes + copied)
    head[0] = 0
    head.writeUInt32BE(length, 1)
    if (copied > 0) head.set(message, prefixBytes)
    this.#pieces.push({ bytes: head })
    if (copied < message.length) this.#pieces.push({ bytes: message })
    if (rest && rest.bytes.length > 0) this.#pieces.push(rest)
    return prefixBytes + length
  }

  /** Bytes that are not a message. */
  appendPlain(bytes: Uint8Array): void {
    this.#pieces.push({ bytes })
  }

  /** Writes the next bytes; at least this many are queued. */
  writeTo(output: Output, bytes: number): void {
    let left = bytes
    while (left > 0) {
      const first = this.#pieces[0]
      if (!first) return
      const start = this.#sent
      const count = Math.min(left, first.bytes.length - start)
      left -= count
      this.#sent += count
      const whole = this.#sent === first.bytes.length
      output.bytes(first.bytes, start, this.#sent, whole ? first.sent : undefined)
      if (!whole) return
      this.#sent = 0
      this.#pieces.shift()
    }
  }
}
