import type { workerApi } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { toDuration } from '../wire/time.ts'
import { workerProtocol } from '../wire/worker-protocol.ts'
import type { SchedulerContext } from './context.ts'
import type { Lease } from './lease.ts'
import type { Repeats } from './repeats.ts'
import { createRests } from './rests.ts'
import { type StoreResult, settle } from './settle.ts'
import { createSilence } from './silence.ts'
import type { Task, Worker } from './task.ts'
import type { Tasks } from './tasks.ts'

/** The connected workers and their messages. */
export interface Fleet {
  readonly workers: ReadonlySet<Worker>
  /**
   * Admits a worker, welcomes it, and gives it what it can run. A connected worker of the same name is dismissed when
   * it is the same process, whose connection hangs, or has fallen silent.
   * @throws RpcError ALREADY_EXISTS when a live worker of this name is connected
   */
  join(worker: Worker): void
  hear(worker: Worker, message: workerApi.FromWorker.$Properties): void
  /** The worker is gone: its tasks are queued again. Idempotent. */
  lose(worker: Worker, reason: string): void
  /** Takes from workers the leases they have been silent about for too long. */
  check(): void
  /** This process itself did not run for this long: silence meanwhile does not count. */
  forgive(ms: number): void
}

/** FromWorker.Output.Stream. */
const stderrStream = 1

export function createFleet(context: SchedulerContext, tasks: Tasks, store: StoreResult, repeats: Repeats): Fleet {
  const { clock, log } = context
  const workers = new Set<Worker>()
  const rests = createRests(context, tasks.dispatch, workers)
  const silence = createSilence(context, tasks, { workers, lose, take })

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
    const { task } = lease
    if (task?.isRepeat) repeats.lost(task)
    else if (task) tasks.again(task, reason)
  }

  function finished(worker: Worker, message: workerApi.Finished.$Properties): void {
    const { leaseId, response } = message
    const held = tasks.leases.held(leaseId ?? '', worker)
    if (held && response?.status?.code === Code.UNAVAILABLE) rests.begin(worker)
    else if (held) rests.forget(worker)
    const task = tasks.release(leaseId ?? '', worker)
    if (task?.isRepeat) repeats.finished(task, worker.name, response ?? {})
    else if (task) {
      context.meters.runSeconds((clock.now() - task.assignedAt) / 1000)
      settle(context, tasks, store, task, worker.name, message, (ended) =>
        repeats.consider(task, worker.name, ended, workers),
      )
    } else log.debug('late answer ignored', { worker: worker.name, lease: leaseId, known: held !== undefined })
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

  /** Two workers that keep replacing each other would lose every action, so the connected one stays. */
  function makePlace(worker: Worker): void {
    const other = [...workers].find(({ name }) => name === worker.name)
    if (!other) return
    const same = worker.run !== '' && worker.run === other.run
    if (!same && clock.now() - other.heardAt < context.leaseMs)
      throw new RpcError(
        Code.ALREADY_EXISTS,
        `a worker named ${worker.name} is already connected: give each worker a name of its own`,
      )
    const reason = same ? 'it has reconnected' : 'it was silent, and another worker with its name has connected'
    lose(other, reason)
    other.dismiss(new RpcError(Code.ALREADY_EXISTS, `worker ${worker.name}: ${reason}`))
  }

  return {
    workers,
    lose,
    join(worker) {
      makePlace(worker)
      workers.add(worker)
      worker.tell({
        welcome: { lease: toDuration(context.leaseMs), version: context.version, protocol: workerProtocol },
      })
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
    forgive: silence.forgive,
    check: silence.check,
  }
}
