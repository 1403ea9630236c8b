import { isIP } from 'node:net'
import { z } from 'zod'
import { isHost } from '../core/address.ts'
import { isRecord } from '../core/record.ts'
import { teamAccess } from './access.ts'
import { casConfig } from './cas.ts'
import { consoleConfig } from './console.ts'
import { schedulerConfig } from './scheduler.ts'
import type { Role } from './servers.ts'
import { storeBytesMin, storeSize, tooSmallText } from './values.ts'
import { workerConfig } from './worker.ts'

/** A server's settings as a user writes them: input of its schema, not yet parsed. */
export type Settings = Readonly<Record<string, unknown>>

const always = ['listen', 'metrics', 'secret', 'private']
/** Settings that the cluster decides: addresses, folders and who talks to whom. */
const chosenByCluster: Readonly<Record<Role, readonly string[]>> = {
  cas: [...always, 'tls', 'access', 'console'],
  scheduler: [...always, 'tls', 'access', 'cas', 'client_tls', 'console'],
  worker: [...always, 'scheduler', 'cas', 'client_tls', 'name', 'directory', 'slots', 'properties'],
  console: [...always, 'access', 'cas', 'client_tls', 'path'],
}

/** A complete configuration of each role, for checking partial ones. */
const samples: Readonly<Record<Role, Settings>> = {
  cas: { listen: '127.0.0.1:0', store: { kind: 'disk', path: '/', size: storeBytesMin } },
  scheduler: { listen: '127.0.0.1:0', cas: 'grpc://127.0.0.1:1' },
  worker: { scheduler: 'grpc://127.0.0.1:1', cas: 'grpc://127.0.0.1:1', directory: '/' },
  console: { listen: '127.0.0.1:0', cas: 'grpc://127.0.0.1:1', path: '/' },
}
/** A cluster's cache server; one that is started by hand may be as small as one likes. */
const clusterCas = casConfig.refine(({ store }) => storeSize.safeParse(store.size).success, {
  path: ['store', 'size'],
  message: tooSmallText,
})
const schemas = { cas: clusterCas, scheduler: schedulerConfig, worker: workerConfig, console: consoleConfig } as const

const serversMax = 256

/** `native deploy --config FILE`; what is left out has its default. */
export const deploymentConfig = z.strictObject({
  /** How many workers; 0 means a cache only. */
  workers: z.number().int().nonnegative().max(serversMax).optional(),
  /** Actions that each worker runs at once. */
  slots: z.number().int().positive().max(1024).optional(),
  /** How much the cache may keep on disk. */
  cache_size: storeSize.optional(),
  /** What the workers offer in addition to, or instead of, the usual properties. */
  properties: z.record(z.string().min(1), z.union([z.string(), z.array(z.string())])).optional(),
  /** The address that cache and scheduler listen on; loopback if absent. */
  listen: z
    .string()
    .refine((text) => isIP(text) !== 0, 'expected an address of this machine, such as 0.0.0.0 for all of them')
    .optional(),
  /** auto: with an authority and certificates that the cluster makes; a map: with these files. */
  tls: z
    .union(
      [
        z.enum(['auto', 'off']),
        z
          .strictObject({
            cert: z.string().min(1).optional(),
            key: z.string().min(1).optional(),
            /** Clients have to show a certificate of this authority. */
            client_ca: z.string().min(1).optional(),
          })
          .refine(({ cert, key }) => (cert === undefined) === (key === undefined)),
      ],
      'expected auto, off, or a map of cert with key, and of client_ca',
    )
    .optional(),
  /** Listen beyond loopback even without access control or encryption. */
  insecure: z.boolean().optional(),
  /** Names and addresses that clients use, for certificates that the cluster makes; besides this machine's own. */
  tls_hosts: z.array(z.string().refine(isHost, 'expected a host name or an address')).max(100).optional(),
  /** Accept only this user and root; the default for root's own clusters on Linux. */
  private: z.boolean().optional(),
  /** Whether actions run in a sandbox (Linux); auto, the default: if the machine allows one. */
  sandbox: z.enum(['auto', 'on', 'off']).optional(),
  /** The image that all actions run in, `docker://REF`; none: this machine's programs. */
  worker_image: z.string().min(1).optional(),
  /** none: whoever can connect may do everything. team: everyone needs a token; a map says who else has access. */
  access: z.union([z.enum(['none', 'team']), teamAccess]).optional(),
  /** Further settings of a server, as in its own configuration file. */
  cas: overrides('cas'),
  scheduler: overrides('scheduler'),
  worker: overrides('worker'),
  /** The same for the console; false means no console, so that builds are not recorded. */
  console: z.union([z.boolean(), overrides('console')]).optional(),
})

export type Deployment = z.output<typeof deploymentConfig>

/** Does a deployment have a console? By default it does. */
export function hasConsole(deployment: Deployment): boolean {
  return deployment.console !== false
}

/** Part of a server's configuration: what is there is checked, and kept as it was written. */
function overrides(role: Role) {
  return z
    .record(z.string(), z.unknown())
    .superRefine((settings, context) => {
      for (const key of chosenByCluster[role])
        if (key in settings) context.addIssue({ code: 'custom', path: [key], message: chosenMessage(key) })
      const checked = schemas[role].safeParse(merged(samples[role], settings))
      for (const issue of checked.error?.issues ?? [])
        for (const problem of problemsOf(issue)) context.addIssue({ code: 'custom', ...problem })
    })
    .optional()
}

function chosenMessage(key: string): string {
  const instead = key === 'listen' ? ', and choose the address with --listen and the ports with --port' : ''
  return `the cluster chooses this; leave it out${instead}`
}

/** Each unknown key is a separate problem with its own place. */
function problemsOf(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string }[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }]
  return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'there is no such setting' }))
}

/**
 * The base with the settings on top; maps are merged. A store of another kind has no path.
 */
export function merged(base: Settings, settings: Settings): Settings {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(settings)) {
    const below = result[key]
    result[key] = isRecord(below) && isRecord(value) ? merged(below, value) : value
  }
  if (result['kind'] === 'memory') delete result['path']
  return result
}
