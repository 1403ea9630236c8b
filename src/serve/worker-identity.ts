import { loadSecret } from '../config/secret.ts'
import type { WorkerConfig } from '../config/worker.ts'
import { isReadable } from '../core/address.ts'
import { Failure } from '../core/failure.ts'
import type { Secret } from '../core/secret.ts'
import { readPrivate } from '../host/private-file.ts'
import { authorizedChannel, identifiedChannel } from '../wire/identity.ts'
import type { Channel } from '../wire/rpc.ts'
import type { ServeContext } from './running.ts'

const tokenBytesMax = 8192

/** How a worker authenticates to scheduler and cache. */
export interface WorkerIdentity {
  /** The secret by which worker and scheduler authenticate each other; undefined with a token. */
  readonly secret: Secret | undefined
  /** The same channel, whose calls carry the worker's credentials. */
  identified(channel: Channel): Channel
}

/**
 * The cluster's secret, the token given to somebody else's machine, or neither.
 * @throws Failure for files that are missing, readable by everybody, or contain neither
 */
export async function workerIdentity(config: WorkerConfig, { clock, log }: ServeContext): Promise<WorkerIdentity> {
  if (config.token !== undefined) {
    const authorization = `Bearer ${await loadToken(config.token)}`
    for (const url of new Set([config.scheduler, config.cas]))
      if (isReadable(url))
        log.warn('without TLS, anyone on the network path can read the token of this worker', { url })
    return { secret: undefined, identified: (channel) => authorizedChannel(channel, () => authorization) }
  }
  const secret = config.secret === undefined ? undefined : await loadSecret(config.secret)
  return {
    secret,
    identified: (channel) => (secret ? identifiedChannel(channel, secret, 'worker', clock.now) : channel),
  }
}

async function loadToken(file: string): Promise<string> {
  const text = (await readPrivate(file, 'the token of the worker', tokenBytesMax))?.trim()
  if (text === undefined) throw new Failure('not-found', 'the worker has no token', { where: file })
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new Failure('invalid', 'the file does not contain a token: it is empty, or contains spaces or line breaks', {
    where: file,
    next: ['Put the token into it that `native token create --role worker` or `native invite` printed.'],
  })
}
