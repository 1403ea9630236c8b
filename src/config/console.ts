import { z } from 'zod'
import { accessConfig } from './access.ts'
import { common } from './common.ts'
import { clientTls } from './tls.ts'
import { address, endpoint, size } from './values.ts'

/** `native serve console`. */
export const consoleConfig = z.strictObject({
  ...common,
  /** Who may do what; without it, everybody may do everything. */
  access: accessConfig.optional(),
  /** The folder of the build history. */
  path: z.string().min(1),
  /** Where Actions, Commands and Directories are read from. */
  cas: endpoint,
  /** The scheduler to ask what is queued and running; without it, the builds page says that it does not know. */
  scheduler: endpoint.optional(),
  /** `host:port` of the cache's metrics, for the cache page; without it, the page does not know the cache's size. */
  cas_metrics: address.optional(),
  client_tls: clientTls.optional(),
  /** The disk space for the history, and how long a build is kept; the oldest builds are removed first. */
  history: z.strictObject({ size: size.default(1e9), days: z.number().positive().max(3650).default(30) }).prefault({}),
})

export type ConsoleConfig = z.output<typeof consoleConfig>
