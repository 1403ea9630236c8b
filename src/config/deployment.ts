import { z } from 'zod'
import { casConfig, type Role, schedulerConfig, size, workerConfig } from './servers.ts'

/** A server's settings as a user writes them: input of its schema, not yet parsed. */
export type Settings = Readonly<Record<string, unknown>>

/** Settings that belong to the cluster: it chooses addresses, folders and who talks to whom. */
const chosenByCluster: Readonly<Record<Role, readonly string[]>> = {
  cas: ['listen', 'metrics'],
  scheduler: ['listen', 'metrics', 'cas'],
  worker: ['listen', 'metrics', 'scheduler', 'cas', 'name', 'directory', 'slots', 'properties'],
}

/** A whole configuration of each role, to check a part of one against. */
const samples: Readonly<Record<Role, Settings>> = {
  cas: { listen: '127.0.0.1:0', store: { kind: 'disk', path: '/', size: 1 } },
  scheduler: { listen: '127.0.0.1:0', cas: 'grpc://127.0.0.1:1' },
  worker: { scheduler: 'grpc://127.0.0.1:1', cas: 'grpc://127.0.0.1:1', directory: '/' },
}
const schemas = { cas: casConfig, scheduler: schedulerConfig, worker: workerConfig } as const

const serversMax = 256

/** `native deploy --config FILE`; what is left out keeps its default. */
export const deploymentConfig = z.strictObject({
  /** How many workers; 0 is a cache alone. */
  workers: z.number().int().nonnegative().max(serversMax).optional(),
  /** Actions that each worker runs at once. */
  slots: z.number().int().positive().max(1024).optional(),
  /** What the cache may hold on disk. */
  cache_size: size.optional(),
  /** What the workers offer beside, or instead of, the usual properties. */
  properties: z.record(z.string().min(1), z.union([z.string(), z.array(z.string())])).optional(),
  /** Further settings of a server, as its own configuration file has them. */
  cas: overrides('cas'),
  scheduler: overrides('scheduler'),
  worker: overrides('worker'),
})

export type Deployment = z.output<typeof deploymentConfig>

/** Part of a server's configuration, checked as far as it goes; stays as it was written. */
function overrides(role: Role) {
  return z
    .record(z.string(), z.unknown())
    .superRefine((settings, context) => {
      for (const key of chosenByCluster[role])
        if (key in settings)
          context.addIssue({ code: 'custom', path: [key], message: 'the cluster chooses this; leave it out' })
      const checked = schemas[role].safeParse(merged(samples[role], settings))
      for (const issue of checked.error?.issues ?? [])
        for (const problem of problemsOf(issue)) context.addIssue({ code: 'custom', ...problem })
    })
    .optional()
}

/** Each unknown key is a problem of its own, with a place of its own. */
function problemsOf(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string }[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }]
  return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'there is no such setting' }))
}

/**
 * The base with the settings on top, maps merged into maps. A store of another kind has
 * no path.
 */
export function merged(base: Settings, settings: Settings): Settings {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(settings)) {
    const below = result[key]
    result[key] = isSettings(below) && isSettings(value) ? merged(below, value) : value
  }
  if (result['kind'] === 'memory') delete result['path']
  return result
}

function isSettings(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
