import { z } from 'zod'
import { accessConfig } from './access.ts'
import { common, telling } from './common.ts'
import { clientTls, serverTls } from './tls.ts'
import { endpoint, share, size, span } from './values.ts'

/** Where traces of builds are sent, over OTLP/HTTP. */
const otlp = z.strictObject({
  /** The collector: http://HOST:PORT or https://HOST:PORT. */
  endpoint: z.url({ protocol: /^https?$/, error: 'must be the URL of a collector, such as http://localhost:4318' }),
  /** Sent with each request, for example a service's token. */
  headers: z.record(z.string().regex(/^[\w-]+$/, 'must be the name of a header'), z.string()).default({}),
})

/** `native serve scheduler`. */
export const schedulerConfig = z.strictObject({
  ...common,
  ...telling,
  /** Serve with TLS, and only with it. */
  tls: serverTls.optional(),
  /** Who may do what; without it, everybody may do everything. */
  access: accessConfig.optional(),
  cas: endpoint,
  client_tls: clientTls.optional(),
  /** The time limit of an action that names no time-out, and the most that one may name. */
  timeout: z.strictObject({ default: span.default(30 * 60_000), max: span.default(24 * 3_600_000) }).prefault({}),
  /** How long a worker may be silent before its actions are given to another. */
  lease: span.default(10_000),
  /** How often an action is rescheduled after its worker was lost. */
  requeues_max: z.number().int().nonnegative().default(3),
  /** How long an action waits after the last worker that could run it has left; then it is refused. */
  worker_wait: span.default(60_000),
  /** A waiting client is sent its operation at least this often. */
  update_every: span.default(30_000),
  /** How long an action continues when nobody waits for it any more. */
  abandon: z
    .strictObject({
      /** A running action cancelled by its last client; a queued one is dropped at once. */
      cancelled: span.default(2_000),
      /** An action whose last client has lost its connection, and may come back. */
      lost: span.default(60_000),
    })
    .prefault({}),
  /** Traces of builds; without it, none are sent. */
  otlp: otlp.optional(),
  /** The share of successful actions that is run a second time, on another worker, to compare the outputs. */
  repeat: share.default(0),
  queue_max: z.number().int().positive().default(100_000),
  /** Memory for all actions in flight; more are refused until there is room. */
  queue_bytes_max: size.default(256 * 1024 * 1024),
})

export type OtlpConfig = z.output<typeof otlp>
export type SchedulerConfig = z.output<typeof schedulerConfig>
