import type { Deployment } from '../../config/deployment.ts'
import { isLoopback } from '../../core/address.ts'
import { errnoOf, Failure } from '../../core/failure.ts'
import { canListen, loopback } from '../shared/ports.ts'

/** What keeps strangers from a cluster that other machines can reach. */
export interface Guards {
  /** Is the traffic encrypted, and the server authenticated by its certificate? */
  readonly tls: boolean
  /** Does it authenticate clients, and refuse unknown ones? */
  readonly access: boolean
  /** The user has waived both. */
  readonly insecure: boolean
}

/**
 * The one rule for addresses that other machines reach: whoever calls a server there can run commands as this user, so
 * there must be TLS and access control, or the user's word that neither is needed.
 * @throws Failure 'precondition' that names what is missing
 */
export function assertMayExpose(host: string, { tls, access, insecure }: Guards): void {
  if (isLoopback(host) || insecure || (tls && access)) return
  const missing = [...(tls ? [] : ['TLS']), ...(access ? [] : ['access control'])]
  const words = `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing`
  throw new Failure('precondition', `anyone who can reach ${host} could run commands as you: ${words}`, {
    where: '--listen',
    next: [
      ...(tls ? [] : ['--tls auto creates a certificate authority and certificates.']),
      ...(access
        ? []
        : [
            '--access team requires a token from every client; --tls-client-ca FILE requires a certificate from that authority.',
          ]),
      '--insecure deploys all the same.',
    ],
  })
}

/** The guards of a deployment. */
export function guardsOf({ tls = 'off', access = 'none', insecure = false }: Deployment): Guards {
  return {
    tls: tls !== 'off',
    access: access !== 'none' || (typeof tls === 'object' && tls.client_ca !== undefined),
    insecure,
  }
}

/**
 * Refuses an address that the servers must not, or cannot, listen on, before anything is changed.
 * @throws Failure 'precondition' as above, 'invalid' for one that this machine does not have
 */
export async function assertCanExpose(deployment: Deployment): Promise<void> {
  const host = deployment.listen ?? loopback
  if (deployment.private && !isLoopback(host))
    throw new Failure('invalid', `a private cluster admits nobody from another machine, so it has no use for ${host}`, {
      where: '--private',
      next: ['Leave out one of --private and --listen.'],
    })
  assertMayExpose(host, guardsOf(deployment))
  try {
    await canListen(host)
  } catch (cause) {
    if (errnoOf(cause) !== 'EADDRNOTAVAIL') throw cause
    throw new Failure('invalid', `this machine does not have the address ${host}`, {
      where: '--listen',
      next: ['Name one that it has (`ip address` shows them), or 0.0.0.0 for all.'],
      cause,
    })
  }
}
