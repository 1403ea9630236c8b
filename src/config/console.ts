import { z } from 'zod'
import { accessConfig } from './access.ts'
import { common } from './common.ts'
import { clientTls } from './tls.ts'
import { address, endpoint, size } from './values.ts'

/** `native serve console`. */
export const consoleConfig = z.strictObject({
  ...common,
  /** Who may do what; everybody everything when absent. */
  access: accessConfig.optional(),
  /** The folder of the history. */
  path: z.string().min(1),
  /** Where Actions, Commands and Directories are read. */
  cas: endpoint,
  /** The scheduler that tells the builds page what waits and runs; without it, the page says that it does not know. */
  scheduler: endpoint.optional(),
  /** `host:port` of the cache's metrics, for the cache page; without it, the page does not know how large the cache is. */
  cas_metrics: address.optional(),
  client_tls: clientTls.optional(),
  /** What the history may take on disk, and how long a build is kept; the oldest builds go first. */
  history: z.strictObject({ size: size.default(1e9), days: z.number().positive().max(3650).default(30) }).prefault({}),
})

export type ConsoleConfig = z.output<typeof consoleConfig>
