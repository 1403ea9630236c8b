import { z } from 'zod'
import { accessConfig } from './access.ts'
import { common, telling } from './common.ts'
import { clientTls, serverTls } from './tls.ts'
import { endpoint, share, size, span } from './values.ts'

/** Where traces of builds go, by OTLP/HTTP. */
const otlp = z.strictObject({
  /** Of a collector: http://HOST:PORT or https://HOST:PORT. */
  endpoint: z.url({ protocol: /^https?$/, error: 'must be the URL of a collector, such as http://localhost:4318' }),
  /** Sent with each request, such as the token of a service. */
  headers: z.record(z.string().regex(/^[\w-]+$/, 'must be the name of a header'), z.string()).default({}),
})

/** `native serve scheduler`. */
export const schedulerConfig = z.strictObject({
  ...common,
  ...telling,
  /** Serve with TLS, and not without. */
  tls: serverTls.optional(),
  /** Who may do what; everybody everything when absent. */
  access: accessConfig.optional(),
  cas: endpoint,
  client_tls: clientTls.optional(),
  /** What an action may run for when it names no time-out, and what it may name at most. */
  timeout: z.strictObject({ default: span.default(30 * 60_000), max: span.default(24 * 3_600_000) }).prefault({}),
  /** How long a worker may be silent before its actions are given to another. */
  lease: span.default(10_000),
  /** How often an action is given out again after its worker was lost. */
  requeues_max: z.number().int().nonnegative().default(3),
  /** How long an action may wait when the workers that could take it have left; then it is refused. */
  worker_wait: span.default(60_000),
  /** How often a client that waits hears of its operation, at the least. */
  update_every: span.default(30_000),
  /** How long actions go on that nobody waits for any more. */
  abandon: z
    .strictObject({
      /** A running one that its last client has cancelled; one that waits is gone at once. */
      cancelled: span.default(2_000),
      /** One whose last client has lost its connection, and may come back. */
      lost: span.default(60_000),
    })
    .prefault({}),
  /** Traces of builds; absent, nobody is told. */
  otlp: otlp.optional(),
  /** Which share of the actions that ended well is run a second time, on another worker, to compare what they make. */
  repeat: share.default(0),
  queue_max: z.number().int().positive().default(100_000),
  /** What all actions in flight may take in memory; more are refused until there is room. */
  queue_bytes_max: size.default(256 * 1024 * 1024),
})

export type OtlpConfig = z.output<typeof otlp>
export type SchedulerConfig = z.output<typeof schedulerConfig>
