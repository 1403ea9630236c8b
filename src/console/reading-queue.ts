import type { Readable } from './ingest.ts'

/** Actions waiting to be read, oldest first. One stays here until it has been read, or has failed too often. */
export interface ReadingQueue {
  /**
   * Adds actions, up to a limit; those for which there is no room are added when they are seen again.
   * @param at milliseconds since 1970
   */
  add(actions: readonly Readable[], at: number): void
  /** The next actions to read together; none if the queue is empty. One that has failed before is read alone. */
  next(): readonly Readable[]
  /** They have been read, and leave the queue, except for those that were seen in another way meanwhile. */
  done(actions: readonly Readable[]): void
  /** They could not be read: they go to the end. @returns those that failed too often, and have left the queue */
  failed(actions: readonly Readable[]): Readable[]
  /** When the first of those that wait was added; undefined if the queue is empty. */
  oldest(): number | undefined
  readonly size: number
}

const queueMax = 50_000
const batchMax = 100
/** With the delays between, a few minutes: a restarting cache is back by then. */
const attemptsMax = 8

interface Waiting {
  readonly action: Readable
  /** How often it could not be read. */
  readonly failures: number
  readonly since: number
}

export function createReadingQueue(): ReadingQueue {
  const queue = new Map<number, Waiting>()

  return {
    add(actions, at) {
      for (const action of actions) {
        const known = queue.get(action.content)
        if (known ? known.action.ran : queue.size >= queueMax) continue
        queue.set(action.content, { action, failures: known?.failures ?? 0, since: known?.since ?? at })
      }
    },
    next() {
      const batch: Readable[] = []
      for (const { action, failures } of queue.values()) {
        if (batch.length === batchMax || (failures > 0 && batch.length > 0)) break
        batch.push(action)
        if (failures > 0) break
      }
      return batch
    },
    done(actions) {
      for (const action of actions) if (queue.get(action.content)?.action === action) queue.delete(action.content)
    },
    failed(actions) {
      return actions.filter(({ content }) => {
        const waiting = queue.get(content)
        if (!waiting) return false
        queue.delete(content)
        const failures = waiting.failures + 1
        if (failures >= attemptsMax) return true
        queue.set(content, { ...waiting, failures })
        return false
      })
    },
    oldest() {
      let oldest: number | undefined
      // Those that have failed are behind younger ones.
      for (const { since } of queue.values()) if (oldest === undefined || since < oldest) oldest = since
      return oldest
    },
    get size() {
      return queue.size
    },
  }
}
