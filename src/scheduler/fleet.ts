import type { workerApi } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import type { House } from './house.ts'
import type { Lease } from './lease.ts'
import { type StoreResult, settle } from './settle.ts'
import type { Task, Worker } from './task.ts'
import { type Tasks, taskFields } from './tasks.ts'

/** The connected workers, and what they say. */
export interface Fleet {
  readonly workers: ReadonlySet<Worker>
  /** Takes a worker in and gives it what it can take. A namesake that was there is dismissed. */
  join(worker: Worker): void
  hear(worker: Worker, message: workerApi.FromWorker.$Properties): void
  /** The worker is gone: what it had is queued again. Nothing happens the second time. */
  lose(worker: Worker, reason: string): void
  /** Takes from workers what they have been silent about for too long. */
  check(): void
  /** This process itself did not run for so long: nobody is silent for that. */
  forgive(ms: number): void
}

/** FromWorker.Output.Stream. */
const stderrStream = 1
/** An idle worker renews too, and loses nothing when it is late: it is dismissed after so many leases’ spans. */
const idleLeases = 3

export function createFleet(house: House, tasks: Tasks, store: StoreResult): Fleet {
  const { clock, log } = house
  const workers = new Set<Worker>()

  function lose(worker: Worker, reason: string): void {
    if (!workers.delete(worker)) return
    tasks.dispatch.leave(worker)
    const held = tasks.leases.of(worker)
    log.info('worker gone', { worker: worker.name, reason, actions: held.length })
    for (const lease of held) take(lease, `worker ${worker.name}: ${reason}`)
  }

  function take(lease: Lease<Task, Worker>, reason: string): void {
    tasks.leases.end(lease)
    lease.worker.free += 1
    if (lease.task) tasks.again(lease.task, reason)
  }

  function finished(worker: Worker, { leaseId, response }: workerApi.Finished.$Properties): void {
    const held = tasks.leases.held(leaseId ?? '', worker)
    const task = tasks.release(leaseId ?? '', worker)
    if (task) house.meters.runSeconds((clock.now() - task.assignedAt) / 1000)
    if (task) settle(house, tasks, store, task, worker.name, response ?? {})
    else log.debug('late answer ignored', { worker: worker.name, lease: leaseId, known: held !== undefined })
  }

  function output(worker: Worker, { leaseId, stream, data }: workerApi.Output.$Properties): void {
    const attempt = tasks.leases.held(leaseId ?? '', worker)?.task?.attempt
    tasks.leases.renew(worker, [leaseId ?? ''], clock.now())
    const which = stream === stderrStream ? attempt?.stderr : attempt?.stdout
    which?.append(data ?? new Uint8Array())
  }

  function leaving(worker: Worker, reason: string): void {
    worker.leaving = true
    tasks.dispatch.leave(worker)
    log.info('worker leaves', { worker: worker.name, reason })
  }

  return {
    workers,
    lose,
    join(worker) {
      for (const other of workers) {
        if (other.name !== worker.name) continue
        const reason = `another worker named ${worker.name} has connected`
        lose(other, reason)
        other.dismiss(new RpcError(Code.ALREADY_EXISTS, reason))
      }
      workers.add(worker)
      log.info('worker joined', { worker: worker.name, slots: worker.slots, version: worker.version })
      tasks.dispatch.join(worker)
    },
    hear(worker, message) {
      if (!workers.has(worker)) return
      const now = clock.now()
      worker.heardAt = now
      if (message.finished) finished(worker, message.finished)
      else if (message.output) output(worker, message.output)
      else if (message.renew) tasks.leases.renew(worker, message.renew.leaseIds ?? [], now)
      else if (message.started) tasks.leases.renew(worker, [message.started.leaseId ?? ''], now)
      else if (message.leaving) leaving(worker, message.leaving.reason ?? '')
    },
    forgive(ms) {
      for (const worker of workers) {
        worker.heardAt += ms
        for (const lease of tasks.leases.of(worker)) lease.expires += ms
      }
    },
    check() {
      const now = clock.now()
      for (const worker of [...workers]) {
        const expired = tasks.leases.expired(worker, now)
        const silentMs = now - worker.heardAt
        if (silentMs >= house.leaseMs * (expired.length > 0 ? 1 : idleLeases)) {
          const reason = `it was silent for ${silentMs} ms`
          lose(worker, reason)
          worker.dismiss(new RpcError(Code.UNAVAILABLE, reason))
          continue
        }
        // The worker lives but does not know of the action (any more).
        for (const lease of expired) {
          log.warn('lease lost', { worker: worker.name, ...(lease.task && taskFields(lease.task)) })
          take(lease, `worker ${worker.name} did not renew its lease`)
        }
        if (expired.length > 0) tasks.dispatch.freed(worker)
      }
    },
  }
}
