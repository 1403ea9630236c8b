import { hostname } from 'node:os'
import type { WorkerConfig } from '../config/worker.ts'
import { anyInstance } from '../core/instance.ts'
import { networkProperty, type PlatformProperty, workerNameProperty } from '../core/platform.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { healthService } from '../wire/health.ts'
import { sameUserOnly } from '../wire/same-user.ts'
import { listen } from '../wire/server.ts'
import { closeInherited } from '../worker/inherited.ts'
import { startWorker, type WorkerOptions } from '../worker/worker.ts'
import { createReadiness } from './readiness.ts'
import type { Running, ServeContext } from './running.ts'
import { clientTlsOf } from './tls.ts'
import { workerIdentity } from './worker-identity.ts'

/**
 * After this silence the scheduler is pinged, and given up if it stays silent for as long again: by then it has given
 * this worker's actions to others.
 */
const schedulerSilenceMs = 5_000

/** A worker; it serves health checks if it is given an address, and is ready while it is connected. */
export async function startWorkerServer(config: WorkerConfig, context: ServeContext): Promise<Running> {
  closeInherited()
  const { secret, identified } = await workerIdentity(config, context)
  const admit = config.private ? await sameUserOnly() : undefined
  const tls = await clientTlsOf(config.client_tls, context.log)
  const scheduler = identified(openDirectChannel(config.scheduler, { keepaliveMs: schedulerSilenceMs, tls }))
  const cas = identified(openDirectChannel(config.cas, { tls }))
  const readiness = createReadiness([], false)
  const name = config.name ?? `${hostname()}-${process.pid}`
  const worker = await startWorker({
    scheduler,
    cas,
    name,
    slots: config.slots,
    properties: offered({ [workerNameProperty]: name, ...networkOf(config), ...config.properties }),
    directory: config.directory,
    cacheSizeBytes: config.cache_size,
    graceMs: config.timeout.grace,
    inputs: config.inputs,
    sandbox: config.sandbox,
    sandboxPaths: config.sandbox_paths,
    limits: limitsOf(config),
    persistent: persistentOf(config),
    images: await imagesOf(config, context),
    instance: config.instances.find((each) => each !== anyInstance) ?? '',
    secret,
    onConnected: readiness.set,
    ...context,
  })
  async function close(): Promise<void> {
    await worker.close()
    scheduler.close()
    cas.close()
    tls?.close()
  }
  const listening = config.listen
    ? listen([healthService(readiness)], { address: config.listen, log: context.log, admit })
    : Promise.resolve(undefined)
  const server = await listening.catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    address: server?.address,
    ready: readiness.ready,
    notes: () => worker.notes(),
    ended: worker.closed,
    drain: () => worker.drain(),
    async close() {
      await server?.close()
      await close()
    },
  }
}

function limitsOf({ limits }: WorkerConfig): NonNullable<WorkerOptions['limits']> {
  return {
    memoryBytes: limits.memory,
    cpus: limits.cpus,
    pids: limits.pids,
    fileBytes: limits.file,
    diskBytes: limits.disk,
  }
}

function persistentOf({ persistent }: WorkerConfig): WorkerOptions['persistent'] {
  const { enabled, idle, idle_max, idle_memory } = persistent
  if (!enabled) return undefined
  return { idleMs: idle, idleMax: idle_max, idleMemoryBytes: idle_memory }
}

/** Most workers run no images, and need not load the code for it. */
async function imagesOf({ images }: WorkerConfig, { clock }: ServeContext): Promise<WorkerOptions['images']> {
  if (images.from.length === 0 && images.default === undefined) return undefined
  const { imageOffers, imageSourceOf } = await import('./worker-images.ts')
  if (images.policies.length > 0) await (await import('./image-trust.ts')).assertPolicies(images.policies)
  return {
    source: imageSourceOf(images, clock),
    sizeBytesMax: images.size,
    usual: images.default,
    offers: imageOffers(images),
  }
}

/** If no worker offers it, an action that asks for network access is refused, naming the property. */
function networkOf({ network }: WorkerConfig): Record<string, string> {
  return network === 'allowed' ? { [networkProperty]: 'on' } : {}
}

function offered(properties: WorkerConfig['properties']): PlatformProperty[] {
  return Object.entries(properties).flatMap(([name, values]) => [values].flat().map((value) => ({ name, value })))
}
