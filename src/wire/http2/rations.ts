import { ConnectionError, ErrorCode } from './protocol.ts'

/** Frames that lead nowhere (pings, empty DATA, frames of closed streams): at once, and again every ten seconds. */
const idleFramesMax = 100_000

/**
 * What a client may do at no cost of its own, and would cost us time without end: it gets a
 * stock, of which each sweep gives some back. Clients that mean no harm never see its end.
 */
export class Rations {
  readonly #resetsMax: number
  #resets: number
  #idleFrames = idleFramesMax

  /** @param streamsMax as many calls as a client has at once it may also give up at once, twice */
  constructor(streamsMax: number) {
    this.#resetsMax = 2 * streamsMax
    this.#resets = this.#resetsMax
  }

  /** @throws ConnectionError ENHANCE_YOUR_CALM */
  spendIdleFrame(): void {
    this.#idleFrames -= 1
    if (this.#idleFrames < 0) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many idle frames')
  }

  /** A stream ends before its answer, by the client or for its fault. @throws ConnectionError ENHANCE_YOUR_CALM */
  spendReset(): void {
    this.#resets -= 1
    if (this.#resets < 0) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many streams are reset')
  }

  /** Every five seconds. */
  refill(): void {
    this.#resets = Math.min(this.#resets + this.#resetsMax / 4, this.#resetsMax)
    this.#idleFrames = Math.min(this.#idleFrames + idleFramesMax / 2, idleFramesMax)
  }
}
