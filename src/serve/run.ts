import type { CasConfig } from '../config/cas.ts'
import type { ConsoleConfig } from '../config/console.ts'
import type { SchedulerConfig } from '../config/scheduler.ts'
import { loadServerConfig, type Role, type ServerConfigs } from '../config/servers.ts'
import type { WorkerConfig } from '../config/worker.ts'
import { systemClock } from '../core/clock.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { sameUserOnly } from '../wire/same-user.ts'
import { collectWhenIdle } from './idle-memory.ts'
import { exitWhenParentGoes, giveSignsOfLife, tellParentReady } from './parent.ts'
import type { Running, ServeContext } from './running.ts'
import { type Shutdown, watchShutdown } from './shutdown.ts'
import { startWeb, type Web } from './web.ts'

export interface ServeOptions {
  /** The YAML file; config/cas.ts, scheduler.ts, worker.ts and console.ts say what it may contain. */
  readonly configFile: string
  readonly version: string
  /** The inherited end of a pipe whose other end the parent holds (parent.ts). */
  readonly parentFd: number | undefined
  /** A worker's name, overriding the one in the file. */
  readonly workerName?: string
}

type AnyConfig = ServerConfigs[Role]

/**
 * Runs one server in this process until it is asked to stop; settles when all of it has stopped.
 * @throws Failure 'invalid' for a mistake in the configuration, with file, line and key
 */
export async function serve(role: Role, options: ServeOptions): Promise<void> {
  const loaded: AnyConfig = await loadServerConfig(role, options.configFile)
  const config = options.workerName === undefined ? loaded : { ...loaded, name: options.workerName }
  const metrics = createMetrics({ process: true })
  metrics.gauge('native_build_info', 'Always 1; its label is the release.', ['version']).set(1, {
    version: options.version,
  })
  // Keeps the lines of several workers apart in one stream.
  const log = createLog({ ...config.log, name: 'name' in config && config.name !== undefined ? config.name : role })
  const stopCollecting = collectWhenIdle()
  const shutdown = watchShutdown((gone) => exitWhenParentGoes(options.parentFd, gone))
  try {
    const running = await start(role, config, { log, metrics, clock: systemClock, version: options.version })
    const web = await startWebOf(running, config, metrics).catch(async (error: unknown) => {
      await running.close()
      throw error
    })
    log.info('ready', { address: running.address, metrics: web?.address, version: options.version })
    const stopSigns = giveSignsOfLife(options.parentFd)
    tellParentReady(options.parentFd)
    await untilAsked(running, web, shutdown, config.drain).finally(stopSigns)
    log.info('stopped')
  } finally {
    stopCollecting()
    shutdown.release()
  }
}

/** Loads only the rooms for this role, to keep a worker small. */
async function start(role: Role, config: AnyConfig, context: ServeContext): Promise<Running> {
  if (role === 'cas') return (await import('./cas.ts')).startCas(config as CasConfig, context)
  if (role === 'scheduler') return (await import('./scheduler.ts')).startScheduler(config as SchedulerConfig, context)
  if (role === 'console') return (await import('./console.ts')).startConsole(config as ConsoleConfig, context)
  return (await import('./worker.ts')).startWorkerServer(config as WorkerConfig, context)
}

async function startWebOf(running: Running, config: AnyConfig, metrics: Metrics): Promise<Web | undefined> {
  if (!config.metrics) return undefined
  return startWeb({
    listen: config.metrics.listen,
    metricsText: () => metrics.text(),
    ready: running.ready,
    admit: config.private ? await sameUserOnly() : undefined,
    notes: () => running.notes?.() ?? [],
  })
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
