import type { SchedulerContext } from './context.ts'

/** How often bounds in time are looked at, at the most and at the least. */
const tickMsMin = 10
const tickMsMax = 1_000

/**
 * Has bounds in time looked at, again and again.
 * @param look is told how late it is, in milliseconds, where that is more than a tick: the machine has slept, or the process was starved
 * @returns ends it
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
