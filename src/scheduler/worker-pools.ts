import { matches, type Offer, type Platform } from './match.ts'

/** A worker as the dispatcher sees it. */
export interface Taker {
  readonly offer: Offer
  /** Free slots: the dispatcher decrements, and the code that ends a lease increments. */
  free: number
}

/** Workers with the same offer, and the queues they serve. */
export interface WorkerPool<W extends Taker> {
  readonly offer: Offer
  readonly workers: Set<W>
  /** Those with a free slot, longest waiting first. */
  readonly idle: Set<W>
}

/** The connected workers by what they offer, and their free slots. */
export interface WorkerPools<W extends Taker> {
  /** Number of different offers. */
  readonly size: number
  offers(): readonly Offer[]
  /** The pool that the worker is in. */
  of(worker: W): WorkerPool<W> | undefined
  /** Those whose workers can take this. */
  able(platform: Platform): WorkerPool<W>[]
  /** Of the pools with these keys and a free slot the one that offers least, to spare specialised workers. */
  idlest(keys: Iterable<string>): WorkerPool<W> | undefined
  /** Adds a worker. @param opened called with its pool if that is new */
  join(worker: W, opened: (pool: WorkerPool<W>) => void): WorkerPool<W>
  /** Removes a worker. @returns true if it was the last one of its pool, which is gone too */
  leave(worker: W): boolean
  /** Takes a free slot of the worker. */
  take(worker: W, pool: WorkerPool<W>): void
}

export function createWorkerPools<W extends Taker>(): WorkerPools<W> {
  const pools = new Map<string, WorkerPool<W>>()

  function of(worker: W): WorkerPool<W> | undefined {
    const pool = pools.get(worker.offer.key)
    return pool?.workers.has(worker) ? pool : undefined
  }

  return {
    get size() {
      return pools.size
    },
    offers: () => [...pools.values()].map(({ offer }) => offer),
    of,
    able: (platform) => [...pools.values()].filter((pool) => matches(platform, pool.offer)),
    idlest(keys) {
      let least: WorkerPool<W> | undefined
      for (const key of keys) {
        const pool = pools.get(key)
        if (!pool || pool.idle.size === 0) continue
        if (!least || pool.offer.properties.length < least.offer.properties.length) least = pool
      }
      return least
    },
    join(worker, opened) {
      let pool = pools.get(worker.offer.key)
      if (!pool) {
        pool = { offer: worker.offer, workers: new Set(), idle: new Set() }
        pools.set(worker.offer.key, pool)
        opened(pool)
      }
      pool.workers.add(worker)
      if (worker.free > 0) pool.idle.add(worker)
      return pool
    },
    leave(worker) {
      const pool = of(worker)
      if (!pool) return false
      pool.workers.delete(worker)
      pool.idle.delete(worker)
      return pool.workers.size === 0 && pools.delete(pool.offer.key)
    },
    take(worker, pool) {
      worker.free -= 1
      pool.idle.delete(worker)
      // Re-added at the end, so that workers take turns.
      if (worker.free > 0) pool.idle.add(worker)
    },
  }
}
