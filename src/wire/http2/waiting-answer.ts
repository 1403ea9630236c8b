import type { Account } from '../account.ts'
import type { Rest } from '../rpc.ts'
import type { Output } from './output.ts'
import { Pending, pendingBytesLow, pendingBytesMax } from './pending.ts'

/** Sweeps, every five seconds, within which a client has to read some of an answer whose memory others need. */
const stalledSweepsMax = 1
/** How much it has to read in each. */
const takenBytesMin = 4 * 1024

/** The part of an answer that waits for its client, counted in its connection's account. Created when needed. */
export class WaitingAnswer extends Pending {
  /** Queued bytes. */
  bytes = 0
  /** Follow the last byte; set once the answer is complete. */
  trailers: Uint8Array | undefined
  /** It is a line of text, not gRPC: its last byte ends the stream. */
  plain = false
  readonly #account: Account
  #full = false
  /** Bytes sent since the last sweep. */
  #takenBytes = 0
  /** Consecutive sweeps in which something was queued, and next to nothing was read. */
  #stalledSweeps = 0

  constructor(account: Account) {
    super()
    this.#account = account
  }

  add(message: Uint8Array, rest?: Rest): void {
    this.#count(this.append(message, rest))
  }

  /** Adds a line of text, which is all of the answer. */
  addPlain(bytes: Uint8Array): void {
    this.plain = true
    this.appendPlain(bytes)
    this.#count(bytes.length)
  }

  /** Is there room for more? If not, `hasRoomAgain` says when there is. */
  hasRoom(): boolean {
    this.#full = this.bytes > pendingBytesMax || (this.bytes > 0 && this.#account.overdrawn)
    return !this.#full
  }

  /** True once, after `hasRoom` was false. */
  hasRoomAgain(): boolean {
    if (!this.#full || this.bytes >= pendingBytesLow) return false
    this.#full = false
    return true
  }

  /** Writes the next bytes as a frame's payload; at least this many are queued. */
  send(output: Output, bytes: number): void {
    this.writeTo(output, bytes)
    this.bytes -= bytes
    this.#account.release(bytes)
    this.#takenBytes += bytes
  }

  /** Nothing more of it is sent. */
  drop(): void {
    this.#account.release(this.bytes)
    this.bytes = 0
  }

  /**
   * Every five seconds.
   * @returns true if the client has read next to nothing for too long, and others need the memory
   */
  sweep(): boolean {
    const taken = this.#takenBytes
    this.#takenBytes = 0
    this.#stalledSweeps = this.bytes > 0 && taken < takenBytesMin ? this.#stalledSweeps + 1 : 0
    return this.#stalledSweeps > stalledSweepsMax && this.#account.scarce
  }

  #count(bytes: number): void {
    this.bytes += bytes
    this.#account.add(bytes)
  }
}
