import type { Rest } from '../rpc.ts'
import type { Output } from './output.ts'

/** One byte that says that a message is not compressed, four of its length. */
export const prefixBytes = 5

/** Bytes that may wait on one stream: above the first its sender is held back, until they fall below the second. */
export const pendingBytesMax = 256 * 1024
export const pendingBytesLow = 64 * 1024

/** Messages up to this are copied behind their prefix. */
const copyBytesMax = 64

/** Messages of one answer that wait for room at the client; by reference, none but the shortest is copied. */
export class Pending {
  readonly #pieces: Rest[] = []
  /** What of the first piece is sent. */
  #sent = 0

  /** @returns how many bytes more wait now */
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

  /** Takes the next bytes, of which so many wait at least. */
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
