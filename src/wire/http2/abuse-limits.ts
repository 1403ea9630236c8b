import { ConnectionError, ErrorCode } from './protocol.ts'

/** Frames that achieve nothing (pings, empty DATA, frames of closed streams): at once, and again every ten seconds. */
const idleFramesMax = 100_000
/** WINDOW_UPDATEs: the same, plus some for each DATA frame sent to the client: for its stream and for the connection. */
const updatesMax = 100_000
const updatesPerFrame = 4

/**
 * Budgets for what costs a client nothing, but would cost us without limit; each sweep refills a part. Well-behaved
 * clients never exhaust them.
 */
export class AbuseLimits {
  readonly #resetsMax: number
  readonly #idleFramesMax: number
  readonly #updatesMax: number
  #resets: number
  #idleFrames: number
  #updates: number

  /**
   * @param streamsMax the number of concurrent calls; a client may give up twice as many at once
   * @param strikes each halves this connection's budgets (strikes.ts)
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
   * A stream ends before its answer, because of the client.
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

  /** The client was sent a DATA frame, and may open the windows by as much again. */
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
