import { z } from 'zod'
import { messageOf } from '../core/failure.ts'
import { parseSize, parseSpan } from '../core/units.ts'

/** A number of bytes, or a text like 20GB. */
export const size = z.union([z.number().int().nonnegative(), z.string()]).transform(parsed(parseSize))
/** A span of time like 90s or 15m; becomes milliseconds. */
export const span = z.string().transform(parsed(parseSpan))
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/, 'expected HOST:PORT, for instance 127.0.0.1:50051')
const endpoint = z
  .string()
  .regex(
    /^grpc:\/\/(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/,
    'expected grpc://HOST:PORT, for instance grpc://127.0.0.1:50051',
  )

/** What every server has. */
const common = {
  /** Where it answers; port 0 takes a free one. */
  listen: address,
  /** The instance names that mean this server's one instance. */
  instances: z.array(z.string()).min(1).default(['', 'main']),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['json', 'pretty']).default('json'),
    })
    .prefault({}),
  /** Serves /metrics (Prometheus) and /healthz over HTTP; absent, nothing is served. */
  metrics: z.strictObject({ listen: address }).optional(),
  /** How long a draining server waits for calls and actions in flight. */
  drain: span.default(30_000),
}

const store = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('disk'),
    path: z.string().min(1),
    size,
    /** process: a kill -9 loses nothing acknowledged; power: neither does a power cut. */
    durability: z.enum(['process', 'power']).default('process'),
  }),
  z.strictObject({ kind: z.literal('memory'), size }),
])

/** `native serve cas`. */
export const casConfig = z.strictObject({
  ...common,
  store,
  action_cache: z.strictObject({ update: z.boolean().default(true) }).prefault({}),
  /** The largest blob that may be written; 0 is no bound but the store's own size. */
  blob_size_max: size.default(0),
})

/** `native serve scheduler`. */
export const schedulerConfig = z.strictObject({
  ...common,
  cas: endpoint,
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
  queue_max: z.number().int().positive().default(100_000),
})

/** `native serve worker`. */
export const workerConfig = z.strictObject({
  ...common,
  listen: address.optional(),
  scheduler: endpoint,
  cas: endpoint,
  /** Shown to people and put in every result's metadata; the host's name and pid when absent. */
  name: z.string().min(1).optional(),
  /** Actions that it runs at once. */
  slots: z.number().int().positive().max(1024).default(1),
  /** What it offers; a list offers each value. */
  properties: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
  /** Its own folder: cached inputs, and a work folder for each running action. */
  directory: z.string().min(1),
  /** What cached inputs may take. */
  cache_size: size.default(10e9),
})

export type CasConfig = z.output<typeof casConfig>
export type SchedulerConfig = z.output<typeof schedulerConfig>
export type WorkerConfig = z.output<typeof workerConfig>

/** The schema of each role that `native serve` knows. */
export const serverConfigs = { cas: casConfig, scheduler: schedulerConfig, worker: workerConfig } as const
export type Role = keyof typeof serverConfigs

function parsed(parse: (text: string) => number) {
  return (value: string | number, context: z.RefinementCtx): number => {
    if (typeof value === 'number') return value
    try {
      return parse(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) })
      return z.NEVER
    }
  }
}
