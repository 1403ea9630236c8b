import type { Output } from './output.ts'
import { ConnectionError, ErrorCode } from './protocol.ts'

/** What the server may send ahead on all streams together, and how much is used up before it is granted more. */
export const connectionWindowBytes = 16 * 1024 * 1024
const creditBytes = connectionWindowBytes / 2
/** Answers that wait for slow readers; beyond this the whole connection waits. */
const heldBytesMax = 512 * 1024 * 1024

/** What the server may still send on the connection as a whole (RFC 9113, section 6.9). */
export class ReceiveCredit {
  readonly #output: Output
  #heldBytes = 0
  #window = connectionWindowBytes
  #uncredited = 0

  constructor(output: Output) {
    this.#output = output
  }

  /** Changes the number of received bytes that wait for a slow reader. */
  hold(bytes: number): void {
    this.#heldBytes += bytes
    if (bytes < 0) this.#give()
  }

  /** DATA arrived, on any stream. @throws ConnectionError if it is more than was allowed */
  spend(bytes: number): void {
    this.#window -= bytes
    if (this.#window < 0) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than allowed')
    this.#uncredited += bytes
    this.#give()
  }

  #give(): void {
    if (this.#uncredited < creditBytes || this.#heldBytes > heldBytesMax) return
    this.#output.windowUpdate(0, this.#uncredited)
    this.#output.schedule()
    this.#window += this.#uncredited
    this.#uncredited = 0
  }
}
