import type { Account } from '../account.ts'
import type { Rest } from '../rpc.ts'
import type { Output } from './output.ts'
import { Pending, pendingBytesLow, pendingBytesMax } from './pending.ts'

/** Sweeps, of five seconds each, in which a client has to take something of an answer whose memory others need. */
const stalledSweepsMax = 1
/** How much it has to take in each. */
const takenBytesMin = 4 * 1024

/** The part of an answer that waits for its client, counted among the answers of its connection. Made when something has to wait. */
export class WaitingAnswer extends Pending {
  /** Bytes that wait. */
  bytes = 0
  /** Follow the last byte; known once the answer is complete. */
  trailers: Uint8Array | undefined
  /** It is a line of text, not gRPC: its last byte ends the stream. */
  plain = false
  readonly #account: Account
  #full = false
  /** Bytes that have left since the last sweep. */
  #takenBytes = 0
  /** Sweeps in a row in which something waited, and next to nothing was taken. */
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

  /** True once after `hasRoom` was false. */
  hasRoomAgain(): boolean {
    if (!this.#full || this.bytes >= pendingBytesLow) return false
    this.#full = false
    return true
  }

  /** Writes the next bytes, of which so many wait at least, as the payload of a frame. */
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
   * @returns true when the client has taken next to nothing for too long, and others need the memory
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
