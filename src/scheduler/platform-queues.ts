import { createBusyQueues } from './busy-queues.ts'
import type { Platform } from './match.ts'
import type { PlatformQueue, Waiting } from './platform-queue.ts'
import { createQueue } from './queue.ts'

/** Every platform's queue. */
export interface PlatformQueues<T extends Waiting> {
  readonly waiting: number
  all(): readonly PlatformQueue<T>[]
  /** Those with tasks that the offer can take. */
  busyFor(offer: string): Iterable<PlatformQueue<T>>
  /** The platform's queue; a new one asks which offers can serve it. */
  open(platform: Platform, served: () => Iterable<string>): PlatformQueue<T>
  serve(queue: PlatformQueue<T>, offer: string): void
  unserve(queue: PlatformQueue<T>, offer: string): void
  push(queue: PlatformQueue<T>, task: T): void
  pop(queue: PlatformQueue<T> | undefined): T | undefined
  remove(task: T): boolean
  /** Makes a change that affects a task's place, and moves it there if it is queued. */
  reorder(task: T, change: () => void): void
  /** Those with tasks that no offer can take. */
  orphans(): readonly PlatformQueue<T>[]
  /** Removes and returns the queue's tasks that were queued up to this time. */
  take(queue: PlatformQueue<T>, until: number): readonly T[]
}

/** Up to this many empty queues are kept, so that a platform in regular use is matched only once. */
const queuesKeptMax = 256

export function createPlatformQueues<T extends Waiting>(now: () => number): PlatformQueues<T> {
  const queues = new Map<string, PlatformQueue<T>>()
  const busy = createBusyQueues<T>()
  let waiting = 0

  function left(queue: PlatformQueue<T>, task: T): T {
    queue.order.delete(task)
    waiting -= 1
    if (queue.tasks.size === 0) busy.remove(queue)
    return task
  }

  function remove(task: T): boolean {
    const queue = queues.get(task.platform.key)
    if (!queue?.tasks.remove(task)) return false
    left(queue, task)
    return true
  }

  /** Forgets empty queues, oldest first, to stay within the limit. */
  function tidy(): void {
    for (const [key, queue] of queues) {
      if (queues.size <= queuesKeptMax / 2) return
      if (queue.tasks.size === 0) queues.delete(key)
    }
  }

  return {
    get waiting() {
      return waiting
    },
    all: () => [...queues.values()],
    busyFor: busy.of,
    open(platform, served) {
      const known = queues.get(platform.key)
      if (known) return known
      if (queues.size - busy.size > queuesKeptMax) tidy()
      const queue: PlatformQueue<T> = {
        platform,
        tasks: createQueue<T>(),
        order: new Set(),
        served: new Set(served()),
        orphanedAt: now(),
      }
      queues.set(platform.key, queue)
      return queue
    },
    serve(queue, offer) {
      queue.served.add(offer)
      if (queue.tasks.size > 0) busy.link(queue, offer)
    },
    unserve(queue, offer) {
      busy.unlink(queue, offer)
      if (queue.served.delete(offer) && queue.served.size === 0) queue.orphanedAt = now()
    },
    push(queue, task) {
      if (queue.tasks.size === 0) busy.add(queue)
      queue.tasks.push(task)
      queue.order.add(task)
      waiting += 1
    },
    pop(queue) {
      const task = queue?.tasks.pop()
      return queue && task ? left(queue, task) : undefined
    },
    remove,
    reorder(task, change) {
      const tasks = queues.get(task.platform.key)?.tasks
      const waits = tasks?.remove(task) ?? false
      change()
      if (waits) tasks?.push(task)
    },
    orphans: busy.orphans,
    take(queue, until) {
      const taken: T[] = []
      for (const task of queue.order) {
        if (task.queuedAt > until) break
        taken.push(task)
      }
      for (const task of taken) remove(task)
      return taken
    },
  }
}
