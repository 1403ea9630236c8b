import type { Output } from './output.ts'

/** One byte that says that a message is not compressed, four of its length. */
export const prefixBytes = 5

/** Messages of one answer that wait for room at the client; by reference, none is copied. */
export class Pending {
  readonly #pieces: Uint8Array[] = []
  /** What of the first piece is sent. */
  #sent = 0

  append(message: Uint8Array): void {
    const prefix = Buffer.allocUnsafe(prefixBytes)
    prefix[0] = 0
    prefix.writeUInt32BE(message.length, 1)
    this.#pieces.push(prefix)
    if (message.length > 0) this.#pieces.push(message)
  }

  /** Takes the next bytes, of which so many wait at least. */
  writeTo(output: Output, bytes: number): void {
    let left = bytes
    while (left > 0) {
      const first = this.#pieces[0]
      if (!first) return
      const count = Math.min(left, first.length - this.#sent)
      output.bytes(first, this.#sent, this.#sent + count)
      left -= count
      this.#sent += count
      if (this.#sent < first.length) return
      this.#sent = 0
      this.#pieces.shift()
    }
  }
}
