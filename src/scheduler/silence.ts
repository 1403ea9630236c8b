import { Code, RpcError } from '../wire/rpc.ts'
import type { SchedulerContext } from './context.ts'
import type { Lease } from './lease.ts'
import { type Task, taskFields, type Worker } from './task.ts'
import type { Tasks } from './tasks.ts'

/** Detects workers that say nothing, about themselves or about an action that they hold. */
export interface Silence {
  /** Takes from workers the leases they have been silent about for too long. */
  check(): void
  /** This process itself did not run for this long: silence meanwhile does not count. */
  forgive(ms: number): void
}

/** The workers in question, and what to do about their losses. */
export interface Losses {
  readonly workers: ReadonlySet<Worker>
  lose(worker: Worker, reason: string): void
  take(lease: Lease<Task, Worker>, reason: string): void
}

/** An idle worker renews too; it has nothing to lose when late, so it is dismissed after this many lease durations. */
const idleLeases = 3

export function createSilence(context: SchedulerContext, tasks: Tasks, { workers, lose, take }: Losses): Silence {
  const { clock, log } = context

  function checkWorker(worker: Worker, now: number): void {
    const expired = tasks.leases.expired(worker, now)
    const silentMs = now - worker.heardAt
    if (silentMs >= context.leaseMs * (expired.length > 0 ? 1 : idleLeases)) {
      const reason = `it was silent for ${silentMs} ms`
      lose(worker, reason)
      worker.dismiss(new RpcError(Code.UNAVAILABLE, reason))
      return
    }
    // The worker is alive but does not know the action (any more).
    for (const lease of expired) {
      log.warn('lease lost', { worker: worker.name, ...(lease.task && taskFields(lease.task)) })
      take(lease, `worker ${worker.name} did not renew its lease`)
    }
    if (expired.length > 0) tasks.dispatch.freed(worker)
  }

  return {
    check() {
      const now = clock.now()
      for (const worker of [...workers]) checkWorker(worker, now)
    },
    forgive(ms) {
      for (const worker of workers) {
        worker.heardAt += ms
        for (const lease of tasks.leases.of(worker)) lease.expires += ms
      }
    },
  }
}
