import type { CasConfig } from './cas.ts'
import type { ConsoleConfig } from './console.ts'
import { loadConfig } from './load.ts'
import type { SchedulerConfig } from './scheduler.ts'
import type { WorkerConfig } from './worker.ts'

/** Each role that `native serve` knows, and its configuration. */
export interface ServerConfigs {
  readonly cas: CasConfig
  readonly scheduler: SchedulerConfig
  readonly worker: WorkerConfig
  readonly console: ConsoleConfig
}
export type Role = keyof ServerConfigs

/**
 * Reads the configuration of a server. The schemas of other roles are not made: each takes some milliseconds.
 * @throws Failure as loadConfig does
 */
export async function loadServerConfig(role: Role, file: string): Promise<ServerConfigs[Role]> {
  if (role === 'cas') return loadConfig(file, (await import('./cas.ts')).casConfig)
  if (role === 'scheduler') return loadConfig(file, (await import('./scheduler.ts')).schedulerConfig)
  if (role === 'console') return loadConfig(file, (await import('./console.ts')).consoleConfig)
  return loadConfig(file, (await import('./worker.ts')).workerConfig)
}
