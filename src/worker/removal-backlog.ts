import type { Clock } from '../core/clock.ts'

/** The folders that are still to be removed. */
export interface RemovalBacklog {
  readonly size: number
  /** In the order in which they were added. */
  paths(): string[]
  add(path: string): void
  remove(path: string): void
  /** Some were removed: those who wait look again. */
  wake(): void
  /**
   * Settles with true once at most this many wait; with false when the time ran out or the signal was aborted.
   * @param msMax in milliseconds
   */
  untilAtMost(count: number, msMax: number, signal?: AbortSignal): Promise<boolean>
}

export function createRemovalBacklog(clock: Clock): RemovalBacklog {
  const queue = new Set<string>()
  const waiters: (() => void)[] = []
  return {
    get size() {
      return queue.size
    },
    paths: () => [...queue],
    add: (path) => void queue.add(path),
    remove: (path) => void queue.delete(path),
    wake() {
      for (const wake of waiters.splice(0)) wake()
    },
    async untilAtMost(count, msMax, signal) {
      if (queue.size <= count) return true
      const over = new AbortController()
      const cancelTimer = clock.after(msMax, () => over.abort())
      const ended = AbortSignal.any([over.signal, ...(signal ? [signal] : [])])
      try {
        while (queue.size > count && !ended.aborted) {
          const { promise, resolve } = Promise.withResolvers<void>()
          waiters.push(resolve)
          ended.addEventListener('abort', () => resolve(), { once: true })
          await promise
        }
        return queue.size <= count
      } finally {
        cancelTimer()
      }
    },
  }
}
