import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { ownText } from '../../../config/own-text.ts'
import { hostPortText } from '../../../core/address.ts'
import type { JoinOptions } from '../../options.ts'
import { defaultProperties, workerProperty } from '../../shared/machine.ts'
import { loopback } from '../../shared/ports.ts'
import type { ProcessContext } from '../context.ts'
import type { ClusterPaths } from '../paths.ts'
import type { Rendered } from '../render.ts'
import type { InvitationFiles } from './files.ts'

/** Its name on this machine: for its log, folder and port. */
export const localName = 'worker-1'
/** How long running actions get to finish when the worker leaves; the rest are given back. */
const drainMs = 30_000
/** In addition to a server's own drain: it should have ended by itself. */
const drainMarginMs = 5_000

/** Its configuration. */
export function workerFile({ configs }: ClusterPaths): string {
  return join(configs, `${localName}.yaml`)
}

export interface JoinedWorker {
  readonly options: JoinOptions
  /** Its name in the cluster. */
  readonly worker: string
  readonly cas: string
  readonly files: InvitationFiles
  /** The content of the token's file. */
  readonly token: string
  readonly metricsPort: number
  /** Do its metrics answer only this user and root? */
  readonly private: boolean
}

/** The worker of another machine's cluster, and its configuration. */
export function renderJoined({ paths, machine, release }: ProcessContext, joined: JoinedWorker): Rendered {
  const { options, worker, files } = joined
  const metrics = hostPortText({ host: loopback, port: joined.metricsPort })
  const given = Object.groupBy(options.properties ?? [], ({ name }) => name)
  const properties = Object.entries(given).map(([name, all = []]) => [name, all.map(({ value }) => value)])
  const text = ownText({
    metrics: { listen: metrics },
    private: joined.private,
    scheduler: options.url,
    cas: joined.cas,
    ...(files.tls && { client_tls: files.tls }),
    token: files.token,
    name: worker,
    slots: options.slots ?? machine.cpus,
    properties: { ...defaultProperties(machine), ...Object.fromEntries(properties), [workerProperty]: worker },
    directory: join(paths.data, localName),
    drain: `${drainMs / 1000}s`,
    ...(options.sandbox !== undefined && { sandbox: options.sandbox }),
  })
  const file = workerFile(paths)
  return {
    file,
    text,
    spec: {
      name: localName,
      role: 'worker',
      args: ['serve', 'worker', '--config', file],
      // A different token or certificate restarts it.
      fingerprint: createHash('sha256')
        .update([release, text, joined.token, options.fingerprint ?? ''].join('\n'))
        .digest('hex'),
      address: null,
      metrics,
      drainMs: drainMs + drainMarginMs,
    },
  }
}
