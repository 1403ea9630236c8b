/** A process that is stopped (SIGSTOP) whenever nobody needs it to run. */
export interface Pausing {
  /** Stops or resumes it, as is needed now. @throws what stopping it failed with; the next call tries again */
  adjust(): Promise<void>
  /** Runs `act` while none of its processes run. */
  quietly<T>(act: () => T | Promise<T>): Promise<T>
}

export interface PausingOptions {
  /** Does it have a request to answer? */
  readonly busy: () => boolean
  /** It has ended, or its processes cannot all be found: nothing is done. */
  readonly over: () => boolean
  readonly stop: () => Promise<void>
  readonly resume: () => void
}

/** @param canStop false where its processes cannot all be found: it is never stopped */
export function createPausing({ busy, over, stop, resume }: PausingOptions, canStop: boolean): Pausing {
  let holds = 0
  let isStopped = false
  let turn: Promise<void> = Promise.resolve()

  const adjust = (): Promise<void> => {
    turn = turn.then(async () => {
      const shouldStop = canStop && (holds > 0 || !busy())
      if (over() || shouldStop === isStopped) return
      isStopped = shouldStop
      if (shouldStop) await stop()
      else resume()
    })
    // Those waiting for it get the failure; the next caller tries again.
    const done = turn
    turn = turn.catch(() => {
      isStopped = false
    })
    return done
  }
  return {
    adjust,
    async quietly(act) {
      holds += 1
      try {
        await adjust()
        return await act()
      } finally {
        holds -= 1
        await adjust()
      }
    },
  }
}
