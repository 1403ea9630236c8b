/** One action held by one worker. */
export interface Lease<Task, Worker> {
  /** Not guessable; also names the attempt's output streams. */
  readonly id: string
  readonly worker: Worker
  /** Undefined once the answer is no longer wanted: the lease then only keeps its slot until the worker releases it. */
  task: Task | undefined
  /** Milliseconds since 1970 by which the worker must have renewed it. */
  expires: number
}

/**
 * Which worker holds which task until when. A worker that is silent about a lease for `leaseMs` has lost it; whatever
 * it says about that lease later is ignored, because its id is no longer known here.
 */
export interface Leases<Task, Worker extends object> {
  readonly size: number
  grant(task: Task, worker: Worker, now: number): Lease<Task, Worker>
  /** The lease, if this very worker holds it; undefined for a late answer or another worker's lease. */
  held(id: string, worker: Worker): Lease<Task, Worker> | undefined
  /** Extends those that the worker holds; IDs that it does not hold are ignored. */
  renew(worker: Worker, ids: readonly string[], now: number): void
  /** Ends a lease; false when it had ended before. */
  end(lease: Lease<Task, Worker>): boolean
  /** The worker's leases, in the order of granting. */
  of(worker: Worker): readonly Lease<Task, Worker>[]
  /** The worker's leases that have expired. */
  expired(worker: Worker, now: number): readonly Lease<Task, Worker>[]
}

/**
 * An empty table.
 * @param leaseMs how long a lease lasts without being renewed
 * @param newId gives each lease its name
 */
export function createLeases<Task, Worker extends object>(leaseMs: number, newId: () => string): Leases<Task, Worker> {
  const byId = new Map<string, Lease<Task, Worker>>()
  // A worker has at most one lease per slot, so its own list is short.
  const byWorker = new Map<Worker, Set<Lease<Task, Worker>>>()

  function held(id: string, worker: Worker): Lease<Task, Worker> | undefined {
    const lease = byId.get(id)
    return lease?.worker === worker ? lease : undefined
  }

  return {
    get size() {
      return byId.size
    },
    grant(task, worker, now) {
      const lease: Lease<Task, Worker> = { id: newId(), worker, task, expires: now + leaseMs }
      byId.set(lease.id, lease)
      const own = byWorker.get(worker)
      if (own) own.add(lease)
      else byWorker.set(worker, new Set([lease]))
      return lease
    },
    held,
    renew(worker, ids, now) {
      for (const id of ids) {
        const lease = held(id, worker)
        if (lease) lease.expires = now + leaseMs
      }
    },
    end(lease) {
      const own = byWorker.get(lease.worker)
      own?.delete(lease)
      if (own?.size === 0) byWorker.delete(lease.worker)
      return byId.delete(lease.id)
    },
    of: (worker) => [...(byWorker.get(worker) ?? [])],
    expired: (worker, now) => [...(byWorker.get(worker) ?? [])].filter((lease) => lease.expires <= now),
  }
}
