import type { SchedulerContext } from './context.ts'

/** The shortest and longest interval between checks of time limits. */
const tickMsMin = 10
const tickMsMax = 1_000

/**
 * Checks time limits periodically.
 * @param look gets how late it is called, in milliseconds, if by more than a tick: the machine slept, or the process
 *   was starved
 * @returns stops it
 */
export function startTicks(
  { clock, leaseMs, workerWaitMs }: SchedulerContext,
  look: (lateMs: number) => void,
): () => void {
  const everyMs = Math.min(Math.max(Math.min(leaseMs, workerWaitMs) / 4, tickMsMin), tickMsMax)
  let ended = false
  let stop: () => void = () => undefined

  function later(): void {
    const due = clock.now() + everyMs
    stop = clock.after(everyMs, () => {
      const lateMs = clock.now() - due
      look(lateMs > everyMs ? lateMs : 0)
      if (!ended) later()
    })
  }

  later()
  return () => {
    ended = true
    stop()
  }
}
