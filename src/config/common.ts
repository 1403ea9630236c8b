import { z } from 'zod'
import { anyInstance } from '../core/instance.ts'
import { address, endpoint, listenPlace, span } from './values.ts'

/** What every server has. */
export const common = {
  /** Where it answers: `host:port`, of which port 0 takes a free one, or `unix:/path`, a socket for this user alone. */
  listen: listenPlace,
  /** The instance names that mean this server's one instance; `*` is every name. */
  instances: z.array(z.string()).min(1).default([anyInstance]),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['json', 'pretty']).default('json'),
    })
    .prefault({}),
  /** Serves /metrics (Prometheus) and /healthz over HTTP; absent, nothing is served. */
  metrics: z.strictObject({ listen: address }).optional(),
  /** Admits only connections of the user who runs it, and of root, from this machine (Linux). */
  private: z.boolean().default(false),
  /** The file of a secret (22 characters or more) that the servers of one cluster have in common, and nobody else. */
  secret: z.string().min(1).optional(),
  /** How long a draining server waits for calls and actions in flight. */
  drain: span.default(30_000),
}

/** What the servers have that see what clients do. */
export const telling = {
  /** The console to tell of builds; absent, nobody is told. */
  console: endpoint.optional(),
}
