import { hostname } from 'node:os'
import type { WorkerConfig } from '../config/servers.ts'
import { type PlatformProperty, workerNameProperty } from '../core/platform.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { healthService } from '../wire/health.ts'
import { listen } from '../wire/server.ts'
import { startWorker } from '../worker/worker.ts'
import { createReadiness } from './readiness.ts'
import type { Running, Surroundings } from './running.ts'

/** A worker; it answers health checks where it is given an address, and is ready while it is connected. */
export async function startWorkerServer(config: WorkerConfig, surroundings: Surroundings): Promise<Running> {
  const scheduler = openDirectChannel(config.scheduler)
  const cas = openDirectChannel(config.cas)
  const readiness = createReadiness([], false)
  const name = config.name ?? `${hostname()}-${process.pid}`
  const worker = await startWorker({
    scheduler,
    cas,
    name,
    slots: config.slots,
    properties: offered({ [workerNameProperty]: name, ...config.properties }),
    directory: config.directory,
    cacheSizeBytes: config.cache_size,
    instance: config.instances[0] ?? '',
    onConnected: readiness.set,
    ...surroundings,
  })
  const server = config.listen
    ? await listen([healthService(readiness)], { address: config.listen, log: surroundings.log })
    : undefined
  return {
    address: server?.address,
    ready: readiness.ready,
    ended: worker.closed,
    drain: () => worker.drain(),
    async close() {
      await server?.close()
      await worker.close()
      scheduler.close()
      cas.close()
    },
  }
}

function offered(properties: WorkerConfig['properties']): PlatformProperty[] {
  return Object.entries(properties).flatMap(([name, values]) => [values].flat().map((value) => ({ name, value })))
}
