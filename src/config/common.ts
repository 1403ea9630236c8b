import { z } from 'zod'
import { anyInstance } from '../core/instance.ts'
import { address, endpoint, listenPlace, span } from './values.ts'

/** Settings of every server. */
export const common = {
  /** Where it listens: `host:port` (port 0 picks a free one), or `unix:/path`, a socket for this user alone. */
  listen: listenPlace,
  /** The instance names that mean this server's one instance; `*` is every name. */
  instances: z.array(z.string()).min(1).default([anyInstance]),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['json', 'pretty']).default('json'),
    })
    .prefault({}),
  /** Serves /metrics (Prometheus) and /healthz over HTTP; without it, neither is served. */
  metrics: z.strictObject({ listen: address }).optional(),
  /** Accepts only connections from this machine by the user who runs it, and by root (Linux). */
  private: z.boolean().default(false),
  /** The file of a secret (22 characters or more) that only the servers of one cluster share. */
  secret: z.string().min(1).optional(),
  /** How long a draining server waits for calls and actions in flight. */
  drain: span.default(30_000),
}

/** Settings of the servers that see what clients do. */
export const telling = {
  /** The console to report builds to; without it, none are reported. */
  console: endpoint.optional(),
}
