import { loadConfig } from '../config/load.ts'
import { type CasConfig, type Role, type SchedulerConfig, serverConfigs, type WorkerConfig } from '../config/servers.ts'
import { systemClock } from '../core/clock.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { exitWhenParentGoes, tellParentReady } from './parent.ts'
import type { Running, Surroundings } from './running.ts'
import { type Shutdown, watchShutdown } from './shutdown.ts'
import { startWeb, type Web } from './web.ts'

export interface ServeOptions {
  /** The YAML file; config/servers.ts says what may stand in it. */
  readonly configFile: string
  readonly version: string
  /** The inherited end of a pipe whose other end the parent holds (parent.ts). */
  readonly parentFd: number | undefined
  /** A worker's name, in place of the one in the file. */
  readonly workerName?: string
}

type AnyConfig = CasConfig | SchedulerConfig | WorkerConfig

/**
 * Runs one server in this process until it is asked to end; settles when all of it has.
 * @throws Failure 'invalid' for a mistake in the configuration, with file, line and key
 */
export async function serve(role: Role, options: ServeOptions): Promise<void> {
  const loaded: AnyConfig = await loadConfig(options.configFile, serverConfigs[role])
  const config = options.workerName === undefined ? loaded : { ...loaded, name: options.workerName }
  const metrics = createMetrics({ process: true })
  const log = createLog({ ...config.log, name: role })
  const shutdown = watchShutdown(process, (gone) => exitWhenParentGoes(options.parentFd, gone))
  try {
    const running = await start(role, config, { log, metrics, clock: systemClock, version: options.version })
    const web = config.metrics
      ? await startWeb({ listen: config.metrics.listen, metricsText: () => metrics.text(), ready: running.ready })
      : undefined
    log.info('ready', { address: running.address, metrics: web?.address, version: options.version })
    tellParentReady(options.parentFd)
    await untilAsked(running, web, shutdown, config.drain)
    log.info('stopped')
  } finally {
    shutdown.release()
  }
}

/** Loads only the rooms of the one role: a worker stays as lean as it can be. */
async function start(role: Role, config: AnyConfig, surroundings: Surroundings): Promise<Running> {
  if (role === 'cas') return (await import('./cas.ts')).startCas(config as CasConfig, surroundings)
  if (role === 'scheduler')
    return (await import('./scheduler.ts')).startScheduler(config as SchedulerConfig, surroundings)
  return (await import('./worker.ts')).startWorkerServer(config as WorkerConfig, surroundings)
}

async function untilAsked(running: Running, web: Web | undefined, shutdown: Shutdown, drainMs: number): Promise<void> {
  await Promise.race([shutdown.drain, ...(running.ended ? [running.ended] : [])])
  const over = Promise.withResolvers<void>()
  const cancel = systemClock.after(drainMs, over.resolve)
  await Promise.race([running.drain(), shutdown.now, over.promise])
  cancel()
  await running.close()
  await web?.close()
}
