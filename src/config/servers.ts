import { casConfig } from './cas.ts'
import { consoleConfig } from './console.ts'
import { schedulerConfig } from './scheduler.ts'
import { workerConfig } from './worker.ts'

/** The schema of each role that `native serve` knows. */
export const serverConfigs = {
  cas: casConfig,
  scheduler: schedulerConfig,
  worker: workerConfig,
  console: consoleConfig,
} as const
export type Role = keyof typeof serverConfigs
