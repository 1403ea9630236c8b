import { ConnectionError, ErrorCode } from './protocol.ts'

/** Frames that lead nowhere (pings, empty DATA, frames of closed streams): at once, and again every ten seconds. */
const idleFramesMax = 100_000
/** WINDOW_UPDATEs: the same, and so many for each DATA frame that the client got: for its stream and for the connection. */
const updatesMax = 100_000
const updatesPerFrame = 4

/**
 * What a client may do at no cost of its own, and would cost us time without end: it gets a
 * stock, of which each sweep gives some back. Clients that mean no harm never see its end.
 */
export class AbuseLimits {
  readonly #resetsMax: number
  readonly #idleFramesMax: number
  readonly #updatesMax: number
  #resets: number
  #idleFrames: number
  #updates: number

  /**
   * @param streamsMax as many calls as a client has at once it may also give up at once, twice
   * @param strikes each halves all that this connection may do (strikes.ts)
   */
  constructor(streamsMax: number, strikes = 0) {
    this.#resetsMax = Math.ceil((2 * streamsMax) / 2 ** strikes)
    this.#idleFramesMax = idleFramesMax / 2 ** strikes
    this.#updatesMax = updatesMax / 2 ** strikes
    this.#resets = this.#resetsMax
    this.#idleFrames = this.#idleFramesMax
    this.#updates = this.#updatesMax
  }

  /** @throws ConnectionError ENHANCE_YOUR_CALM */
  spendIdleFrame(): void {
    this.#idleFrames -= 1
    if (this.#idleFrames < 0) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many idle frames')
  }

  /**
   * A stream ends before its answer, by the client or for its fault.
   * @param cost how many resets it counts as
   * @throws ConnectionError ENHANCE_YOUR_CALM
   */
  spendReset(cost = 1): void {
    this.#resets -= cost
    if (this.#resets < 0) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many stream resets')
  }

  /** @throws ConnectionError ENHANCE_YOUR_CALM */
  spendUpdate(): void {
    this.#updates -= 1
    if (this.#updates < 0) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many window updates')
  }

  /** The client got a DATA frame, and may give as much room again. */
  earnUpdates(): void {
    this.#updates += updatesPerFrame
  }

  /** Every five seconds. */
  refill(): void {
    this.#resets = Math.min(this.#resets + this.#resetsMax / 4, this.#resetsMax)
    this.#idleFrames = Math.min(this.#idleFrames + this.#idleFramesMax / 2, this.#idleFramesMax)
    this.#updates = Math.min(this.#updates + this.#updatesMax / 2, this.#updatesMax)
  }
}
