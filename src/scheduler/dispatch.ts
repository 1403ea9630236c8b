import { createLanes, type Lane, type Waiting } from './lanes.ts'
import { matches, type Offer, type Platform, refusalText } from './match.ts'
import { comesBefore } from './queue.ts'

/** A worker as the dispatcher sees it. */
export interface Taker {
  readonly offer: Offer
  /** Slots that nothing occupies; the dispatcher counts it down, whoever ends a lease counts it up. */
  free: number
}

/** Workers that offer the same, and the lanes that they serve. */
interface Pool<W extends Taker> {
  readonly offer: Offer
  readonly workers: Set<W>
  /** Those with a free slot, the one that waited longest first. */
  readonly idle: Set<W>
}

/** Can an action with this platform be taken? */
type Verdict =
  | { readonly kind: 'queue' }
  /** Not now, but the workers may be on their way: none is connected, or the right ones left just now. */
  | { readonly kind: 'wait' }
  /** The workers are there and cannot (rule 32); the text says why, for people. */
  | { readonly kind: 'refuse'; readonly text: string }

/** A task that has waited in vain. */
export interface Expired<T> {
  readonly task: T
  /** What the workers that are there lack; undefined when none came in all of workerWaitMs. */
  readonly refusal: string | undefined
}

export interface DispatchOptions<T extends Waiting, W extends Taker> {
  readonly now: () => number
  /** How long the workers that could take an action may be gone before it is refused. */
  readonly workerWaitMs: number
  /** Gives the task to the worker, whose slot is counted already. */
  readonly assign: (task: T, worker: W) => void
}

/** Brings waiting actions and free slots together. No event costs more than O(log n) in the actions that wait. */
export interface Dispatch<T extends Waiting, W extends Taker> {
  /** Actions that wait, over all platforms. */
  readonly waiting: number
  verdict(platform: Platform): Verdict
  /** Gives the task to a worker with a free slot, or lets it wait. */
  enqueue(task: T): void
  /** Takes a waiting task out; false when it does not wait. */
  remove(task: T): boolean
  /** Lets the worker take tasks from now on. */
  join(worker: W): void
  /** No more tasks for this worker. */
  leave(worker: W): void
  /** The worker has a free slot again. */
  freed(worker: W): void
  /** Tasks that need not wait any longer for workers that could take them; they are taken out. */
  expire(): readonly Expired<T>[]
  lanes(): readonly Lane<T>[]
  offers(): readonly Offer[]
}

/**
 * After the scheduler's start, and after the first worker has come, others get this long to
 * come too: until then nothing is refused for what the first ones lack.
 */
export const reconnectMs = 2_000
/** Offers of workers that left, kept for workerWaitMs and at most so many. */
const departedMax = 64

/** A dispatcher without workers. */
export function createDispatch<T extends Waiting, W extends Taker>(options: DispatchOptions<T, W>): Dispatch<T, W> {
  const { now, assign, workerWaitMs } = options
  let beganAt = now()
  const pools = new Map<string, Pool<W>>()
  const departed = new Map<string, { readonly offer: Offer; readonly at: number }>()
  const lanes = createLanes<T>(now)

  /** The pool to take from: of those with a free slot the one that offers least, to spare the special ones. */
  function idlePool(lane: Lane<T>): Pool<W> | undefined {
    let best: Pool<W> | undefined
    for (const key of lane.served) {
      const pool = pools.get(key)
      if (!pool || pool.idle.size === 0) continue
      if (!best || pool.offer.properties.length < best.offer.properties.length) best = pool
    }
    return best
  }

  /** The task that comes first in all lanes that the pool serves. */
  function best(pool: Pool<W>): Lane<T> | undefined {
    let found: Lane<T> | undefined
    for (const lane of lanes.busyFor(pool.offer.key)) {
      const head = lane.queue.peek()
      const other = found?.queue.peek()
      if (head && (!other || comesBefore(head, other))) found = lane
    }
    return found
  }

  function give(task: T, worker: W, pool: Pool<W>): void {
    worker.free -= 1
    pool.idle.delete(worker)
    // Back in at the end: workers take turns.
    if (worker.free > 0) pool.idle.add(worker)
    assign(task, worker)
  }

  function feed(worker: W, pool: Pool<W>): void {
    while (worker.free > 0 && pool.workers.has(worker)) {
      const task = lanes.pop(best(pool))
      if (!task) break
      give(task, worker, pool)
    }
  }

  function poolOf(offer: Offer): Pool<W> {
    const known = pools.get(offer.key)
    if (known) return known
    const pool: Pool<W> = { offer, workers: new Set(), idle: new Set() }
    if (pools.size === 0) beganAt = now()
    pools.set(offer.key, pool)
    departed.delete(offer.key)
    for (const lane of lanes.all()) if (matches(lane.platform, offer)) lanes.serve(lane, offer.key)
    return pool
  }

  function remember(offer: Offer): void {
    departed.set(offer.key, { offer, at: now() })
    const oldest = departed.size > departedMax ? departed.keys().next().value : undefined
    if (oldest !== undefined) departed.delete(oldest)
  }

  function laneOf(platform: Platform): Lane<T> {
    return lanes.open(platform, () =>
      [...pools.values()].filter((pool) => matches(platform, pool.offer)).map((pool) => pool.offer.key),
    )
  }

  function justLeft(platform: Platform): boolean {
    const since = now() - workerWaitMs
    return [...departed.values()].some(({ offer, at }) => at > since && matches(platform, offer))
  }

  function verdict(platform: Platform): Verdict {
    if (laneOf(platform).served.size > 0) return { kind: 'queue' }
    const gathering = now() - beganAt < Math.min(reconnectMs, workerWaitMs)
    if (pools.size === 0 || gathering || justLeft(platform)) return { kind: 'wait' }
    return {
      kind: 'refuse',
      text: refusalText(
        platform,
        [...pools.values()].map(({ offer }) => offer),
      ),
    }
  }

  return {
    verdict,
    get waiting() {
      return lanes.waiting
    },
    enqueue(task) {
      const lane = laneOf(task.platform)
      const pool = idlePool(lane)
      const worker = pool?.idle.values().next().value
      if (pool && worker) give(task, worker, pool)
      else lanes.push(lane, task)
    },
    remove: (task) => lanes.remove(task),
    join(worker) {
      const pool = poolOf(worker.offer)
      pool.workers.add(worker)
      if (worker.free > 0) pool.idle.add(worker)
      feed(worker, pool)
    },
    leave(worker) {
      const pool = pools.get(worker.offer.key)
      if (!pool?.workers.delete(worker)) return
      pool.idle.delete(worker)
      if (pool.workers.size > 0) return
      pools.delete(worker.offer.key)
      remember(worker.offer)
      for (const lane of lanes.all()) lanes.unserve(lane, worker.offer.key)
    },
    freed(worker) {
      const pool = pools.get(worker.offer.key)
      if (!pool?.workers.has(worker) || worker.free <= 0) return
      pool.idle.add(worker)
      feed(worker, pool)
    },
    expire() {
      const before = now() - workerWaitMs
      return lanes.orphans().flatMap((lane): Expired<T>[] => {
        const judged = verdict(lane.platform)
        if (judged.kind === 'refuse') return lanes.take(lane, now()).map((task) => ({ task, refusal: judged.text }))
        const overdue = lane.orphanedAt <= before ? lanes.take(lane, before) : []
        return overdue.map((task) => ({ task, refusal: undefined }))
      })
    },
    lanes: () => lanes.all(),
    offers: () => [...pools.values()].map(({ offer }) => offer),
  }
}
