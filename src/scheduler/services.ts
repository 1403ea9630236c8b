import { randomUUID } from 'node:crypto'
import { updateMethod } from '../client/actions.ts'
import type { Recorder } from '../client/recorder.ts'
import type { Clock } from '../core/clock.ts'
import type { InstanceNames } from '../core/instance.ts'
import type { Secret } from '../core/secret.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { identifiedChannel } from '../wire/identity.ts'
import type { Channel, Service } from '../wire/rpc.ts'
import { signedChannel } from '../wire/signed.ts'
import { createAdmissions, type Timeouts } from './admission.ts'
import { mergedCapabilities } from './capabilities.ts'
import type { SchedulerBounds, SchedulerContext } from './context.ts'
import { createEngine } from './engine.ts'
import { executionService } from './execution.ts'
import { withOutputStreams } from './follow.ts'
import { forwardedServices } from './forward.ts'
import type { Invitations } from './invitations.ts'
import { createMeters } from './meters.ts'
import { operationsService } from './operations.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'
import { statusService } from './status.ts'
import { createTail } from './tail.ts'
import { workersService } from './workers.ts'

/** All durations are in milliseconds; config/scheduler.ts has the defaults. */
export interface SchedulerOptions extends SchedulerBounds {
  /** The server whose content addressable storage and action cache this scheduler uses and forwards to. */
  readonly cas: Channel
  /**
   * What workers must know, and what results for the action cache are signed with; if absent, anybody may be a worker.
   */
  readonly secret?: Secret
  /** The transport authenticates callers (access), so those that do not know the secret are still workers. */
  readonly guarded?: boolean
  /** Where this scheduler calls the CAS; told to workers that come from other machines. */
  readonly casUrl?: string
  /** Exchanges invitations for tokens; absent if invitations are not supported here. */
  readonly invitations?: Invitations | undefined
  /** Its release, which it tells workers. */
  readonly version?: string
  /** The names by which this server's one instance may be called. */
  readonly instances: InstanceNames
  readonly timeouts: Timeouts
  /** Is told how executions end; if absent, nobody is. */
  readonly recorder?: Recorder | undefined
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Names operations. The default names differ from those of every other run (rule 28). */
  readonly newName?: () => string
}

export interface Scheduler {
  /** Execution, Operations, Capabilities, Workers, Status, and the cache's services, forwarded. */
  readonly services: readonly Service[]
  /**
   * Refuses new actions with a RetryInfo (rule 44), rejects the queued ones in the same way, and settles when the
   * running ones have ended or the time is up. Workers stay connected.
   */
  drain(timeoutMs?: number): Promise<void>
  /**
   * Immediately ends every operation and every call that follows output, and dismisses every worker. The channel to the
   * CAS stays open.
   */
  close(): void
  snapshot(): Snapshot
}

/** A scheduler. Until it is closed it holds a timer, which does not keep the process alive. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { cas, instances, clock, log, metrics, timeouts } = options
  const meters = createMeters(metrics)
  const context: SchedulerContext = {
    clock,
    log,
    meters,
    recorder: options.recorder,
    leaseMs: options.leaseMs,
    requeuesMax: options.requeuesMax,
    workerWaitMs: options.workerWaitMs,
    updateEveryMs: options.updateEveryMs,
    queueMax: options.queueMax,
    queueBytesMax: options.queueBytesMax,
    cancelledMs: options.cancelledMs,
    lostMs: options.lostMs,
    repeatShare: options.repeatShare,
    version: options.version ?? '',
    newName: options.newName ?? nameMaker(),
    newLease: randomUUID,
  }
  // Clients' calls are forwarded with their own credentials and unsigned: never through these two.
  const { secret } = options
  const known = secret ? identifiedChannel(cas, secret, 'scheduler', clock.now) : cas
  const own = secret ? signedChannel(known, secret, updateMethod) : cas
  const capabilities = mergedCapabilities(known, instances, clock)
  const { absoluteLinksAllowed } = capabilities
  const engine = createEngine(context, own, createAdmissions({ cas: known, timeouts, clock, absoluteLinksAllowed }))
  const snapshot = () => snapshotOf(engine)
  const tail = createTail(engine, clock)
  meters.watch({
    queued: () => engine.tasks.queued,
    running: () => engine.tasks.leases.size,
    workers: () => engine.fleet.workers.size,
    slots: () => [...engine.fleet.workers].reduce((sum, { slots }) => sum + slots, 0),
  })
  return {
    services: [
      executionService(engine, context, instances),
      operationsService(engine, context, instances),
      capabilities.service,
      workersService(engine, context, {
        secret: options.secret,
        guarded: options.guarded ?? false,
        casUrl: options.casUrl,
        invitations: options.invitations,
      }),
      statusService(snapshot, tail.follow),
      ...forwardedServices(cas, clock).map((service) =>
        service.name === 'google.bytestream.ByteStream' ? withOutputStreams(service, engine.streams) : service,
      ),
    ],
    drain: engine.drain,
    close() {
      tail.close()
      engine.close()
    },
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
