import type { SchedulerConfig } from '../config/servers.ts'
import { createScheduler } from '../scheduler/services.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { healthService } from '../wire/health.ts'
import { listen } from '../wire/server.ts'
import { createReadiness } from './readiness.ts'
import type { Running, Surroundings } from './running.ts'

/** What the CAS may send ahead of a client that reads a blob through this server, and stops. */
const casWindowBytes = 1024 * 1024

/** Execution, Operations, the workers' stream, and everything of the cache passed on to the CAS. */
export async function startScheduler(config: SchedulerConfig, surroundings: Surroundings): Promise<Running> {
  const cas = openDirectChannel(config.cas, { windowBytes: casWindowBytes })
  const scheduler = createScheduler({
    cas,
    instances: new Set(config.instances),
    timeouts: { defaultMs: config.timeout.default, maxMs: config.timeout.max },
    leaseMs: config.lease,
    requeuesMax: config.requeues_max,
    workerWaitMs: config.worker_wait,
    updateEveryMs: config.update_every,
    queueMax: config.queue_max,
    ...surroundings,
  })
  const readiness = createReadiness(
    scheduler.services.map((each) => each.name),
    true,
  )
  try {
    const { log } = surroundings
    const server = await listen([...scheduler.services, healthService(readiness)], { address: config.listen, log })
    return {
      address: server.address,
      ready: readiness.ready,
      async drain() {
        readiness.set(false)
        await scheduler.drain(config.drain)
        // Workers keep their streams open for as long as there is a scheduler.
        scheduler.close()
        await server.drain(config.drain)
      },
      async close() {
        readiness.set(false)
        await scheduler.close()
        await server.close()
        cas.close()
      },
    }
  } catch (error) {
    await scheduler.close()
    cas.close()
    throw error
  }
}
