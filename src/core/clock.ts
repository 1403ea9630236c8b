/** Time as a dependency, so that tests can control it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back once, later; the returned function cancels it. Does not keep the process alive. */
  after(ms: number, callback: () => void): () => void
}

// The limit of setTimeout: above it, it fires at once.
const delayMsMax = 2 ** 31 - 1

/** The machine's own clock. Delays above 24 days count as 24 days. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, delayMsMax))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
