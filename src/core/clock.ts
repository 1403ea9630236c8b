/** Time as a dependency, so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back once, later; the answer cancels it. Does not keep the process alive. */
  after(ms: number, callback: () => void): () => void
}

/** The machine's own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
