import { createDepartedOffers } from './departed-offers.ts'
import { matches, type Offer, type Platform, refusalText } from './match.ts'
import type { PlatformQueue, Waiting } from './platform-queue.ts'
import { createPlatformQueues } from './platform-queues.ts'
import { comesBefore } from './queue.ts'
import { createWorkerPools, type Taker, type WorkerPool } from './worker-pools.ts'

/** Can an action with this platform be run? */
type Verdict =
  | { readonly kind: 'queue' }
  /** Not now, but suitable workers may be on their way: none is connected, or the right ones left just now. */
  | { readonly kind: 'wait' }
  /** The connected workers cannot (rule 32); the text tells people why. */
  | { readonly kind: 'refuse'; readonly text: string }

/** A task that has waited too long. */
export interface Expired<T> {
  readonly task: T
  /** What the connected workers lack; undefined when no worker connected within workerWaitMs. */
  readonly refusal: string | undefined
}

export interface DispatchOptions<T extends Waiting, W extends Taker> {
  readonly now: () => number
  /** How long suitable workers may be gone before an action is refused. */
  readonly workerWaitMs: number
  /** Gives the task to the worker, whose slot is already counted. */
  readonly assign: (task: T, worker: W) => void
}

/** Matches queued actions with free slots. No event costs more than O(log n) in the number of queued actions. */
export interface Dispatch<T extends Waiting, W extends Taker> {
  /** Queued actions, over all platforms. */
  readonly waiting: number
  verdict(platform: Platform): Verdict
  /** Gives the task to a worker with a free slot, or queues it. */
  enqueue(task: T): void
  /** Removes a queued task; false if it is not queued. */
  remove(task: T): boolean
  /** Makes a change that affects a task's place in its queue. */
  reorder(task: T, change: () => void): void
  /** Lets the worker take tasks from now on. */
  join(worker: W): void
  /** No more tasks for this worker. */
  leave(worker: W): void
  /** Is a worker connected that could take this, busy or not, and that `accept` approves? */
  isAble(platform: Platform, accept: (worker: W) => boolean): boolean
  /** Claims a free slot that no task is waiting for, on a worker that `accept` approves. */
  claim(platform: Platform, accept: (worker: W) => boolean): W | undefined
  /** Call when a slot of the worker has become free. */
  freed(worker: W): void
  /** Removes and returns the tasks that have waited long enough for a worker that could take them. */
  expire(): readonly Expired<T>[]
  queues(): readonly PlatformQueue<T>[]
  offers(): readonly Offer[]
}

/**
 * After the scheduler's start, and after the first worker has connected, others get this long to connect too: until
 * then nothing is refused because the first ones lack something.
 */
export const reconnectMs = 2_000

/** A dispatcher without workers. */
export function createDispatch<T extends Waiting, W extends Taker>(options: DispatchOptions<T, W>): Dispatch<T, W> {
  const { now, assign, workerWaitMs } = options
  let beganAt = now()
  const pools = createWorkerPools<W>()
  const departed = createDepartedOffers(now, workerWaitMs)
  const queues = createPlatformQueues<T>(now)

  /** The first task across all queues that the pool serves. */
  function best(pool: WorkerPool<W>): PlatformQueue<T> | undefined {
    let found: PlatformQueue<T> | undefined
    for (const queue of queues.busyFor(pool.offer.key)) {
      const head = queue.tasks.peek()
      const other = found?.tasks.peek()
      if (head && (!other || comesBefore(head, other))) found = queue
    }
    return found
  }

  function give(task: T, worker: W, pool: WorkerPool<W>): void {
    pools.take(worker, pool)
    assign(task, worker)
  }

  function feed(worker: W, pool: WorkerPool<W>): void {
    while (worker.free > 0 && pool.workers.has(worker)) {
      const task = queues.pop(best(pool))
      if (!task) break
      give(task, worker, pool)
    }
  }

  function opened({ offer }: WorkerPool<W>): void {
    if (pools.size === 1) beganAt = now()
    departed.remove(offer)
    for (const queue of queues.all()) if (matches(queue.platform, offer)) queues.serve(queue, offer.key)
  }

  function queueOf(platform: Platform): PlatformQueue<T> {
    return queues.open(platform, () => pools.able(platform).map((pool) => pool.offer.key))
  }

  function verdict(platform: Platform): Verdict {
    if (queueOf(platform).served.size > 0) return { kind: 'queue' }
    const gathering = now() - beganAt < Math.min(reconnectMs, workerWaitMs)
    if (pools.size === 0 || gathering || departed.include(platform)) return { kind: 'wait' }
    return { kind: 'refuse', text: refusalText(platform, pools.offers()) }
  }

  return {
    verdict,
    get waiting() {
      return queues.waiting
    },
    enqueue(task) {
      const queue = queueOf(task.platform)
      const pool = pools.idlest(queue.served)
      const worker = pool?.idle.values().next().value
      if (pool && worker) give(task, worker, pool)
      else queues.push(queue, task)
    },
    remove: (task) => queues.remove(task),
    reorder: (task, change) => queues.reorder(task, change),
    join(worker) {
      feed(worker, pools.join(worker, opened))
    },
    leave(worker) {
      if (!pools.leave(worker)) return
      departed.add(worker.offer)
      for (const queue of queues.all()) queues.unserve(queue, worker.offer.key)
    },
    isAble: (platform, accept) => pools.able(platform).some(({ workers }) => [...workers].some(accept)),
    claim(platform, accept) {
      // A free slot has no task waiting for it, or it would have been assigned.
      for (const pool of pools.able(platform)) {
        const worker = [...pool.idle].find(accept)
        if (!worker) continue
        pools.take(worker, pool)
        return worker
      }
      return undefined
    },
    freed(worker) {
      const pool = pools.of(worker)
      if (!pool || worker.free <= 0) return
      pool.idle.add(worker)
      feed(worker, pool)
    },
    expire() {
      const before = now() - workerWaitMs
      return queues.orphans().flatMap((queue): Expired<T>[] => {
        const judged = verdict(queue.platform)
        if (judged.kind === 'refuse') return queues.take(queue, now()).map((task) => ({ task, refusal: judged.text }))
        const overdue = queue.orphanedAt <= before ? queues.take(queue, before) : []
        return overdue.map((task) => ({ task, refusal: undefined }))
      })
    },
    queues: () => queues.all(),
    offers: () => pools.offers(),
  }
}
