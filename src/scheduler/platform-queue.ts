import type { Platform } from './match.ts'
import type { Queue, Queued } from './queue.ts'

/** A task that waits for a worker. */
export interface Waiting extends Queued {
  /** Changes only while it is in no queue. */
  platform: Platform
  /** When it was last queued, in milliseconds since 1970. */
  queuedAt: number
}

/** The tasks of one platform. */
export interface PlatformQueue<T extends Waiting> {
  readonly platform: Platform
  readonly tasks: Queue<T>
  /** The same tasks in the order in which they were queued. */
  readonly order: Set<T>
  /** Keys of the offers that can take them. */
  readonly served: Set<string>
  /** Since when no offer can take them. */
  orphanedAt: number
}
