import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Channel, Service } from '../wire/rpc.ts'
import { createAdmissions, type Timeouts } from './admission.ts'
import { mergedCapabilities } from './capabilities.ts'
import { createEngine } from './engine.ts'
import { executionService } from './execution.ts'
import { withOutputStreams } from './follow.ts'
import { forwardedServices } from './forward.ts'
import type { House } from './house.ts'
import { createMeters } from './meters.ts'
import { operationsService } from './operations.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'
import { statusService } from './status.ts'
import { workersService } from './workers.ts'

/** All spans in milliseconds; config/servers.ts has the defaults. */
export interface SchedulerOptions {
  /** The server whose content addressable storage and action cache this scheduler uses and forwards to. */
  readonly cas: Channel
  /** The names that mean this server's one instance. */
  readonly instances: ReadonlySet<string>
  readonly timeouts: Timeouts
  readonly leaseMs: number
  readonly requeuesMax: number
  readonly workerWaitMs: number
  readonly updateEveryMs: number
  readonly queueMax: number
  /** How long an action goes on when no client listens any more; a minute when absent. */
  readonly abandonMs?: number
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Names operations. The default names differ from those of every other run (rule 28). */
  readonly newName?: () => string
}

export interface Scheduler {
  /** Execution, Operations, Capabilities, Workers, Status, and the cache's own, forwarded. */
  readonly services: readonly Service[]
  /**
   * Refuses new actions with a RetryInfo (rule 44), sends those that wait away in the same
   * manner, and settles when those that run have ended or the time is over. Workers stay
   * connected.
   */
  drain(timeoutMs?: number): Promise<void>
  /** Ends every operation and dismisses every worker, now. The channel to the CAS stays open. */
  close(): void
  snapshot(): Snapshot
}

const abandonMsDefault = 60_000

/** A scheduler. It holds a timer, which does not keep the process alive, until it is closed. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { cas, instances, clock, log, metrics, timeouts } = options
  const meters = createMeters(metrics)
  const house: House = {
    clock,
    log,
    meters,
    leaseMs: options.leaseMs,
    requeuesMax: options.requeuesMax,
    workerWaitMs: options.workerWaitMs,
    updateEveryMs: options.updateEveryMs,
    queueMax: options.queueMax,
    abandonMs: options.abandonMs ?? abandonMsDefault,
    newName: options.newName ?? nameMaker(),
    newLease: randomUUID,
  }
  const capabilities = mergedCapabilities(cas, instances, clock)
  const { absoluteLinksAllowed } = capabilities
  const engine = createEngine(house, cas, createAdmissions({ cas, timeouts, clock, absoluteLinksAllowed }))
  const snapshot = () => snapshotOf(engine)
  meters.watch({
    queued: () => engine.tasks.dispatch.waiting,
    running: () => engine.tasks.leases.size,
    workers: () => engine.fleet.workers.size,
    slots: () => [...engine.fleet.workers].reduce((sum, { slots }) => sum + slots, 0),
  })
  return {
    services: [
      executionService(engine, house, instances),
      operationsService(engine, house),
      capabilities.service,
      workersService(engine, house),
      statusService(snapshot),
      ...forwardedServices(cas, clock).map((service) =>
        service.name === 'google.bytestream.ByteStream' ? withOutputStreams(service, engine.streams) : service,
      ),
    ],
    drain: engine.drain,
    close: engine.close,
    snapshot,
  }
}

/** `operations/<this run>/<number>`. */
function nameMaker(): () => string {
  const run = randomUUID()
  let number = 0
  return () => {
    number += 1
    return `operations/${run}/${number}`
  }
}
