import { type Deployment, hasConsole } from '../../config/deployment.ts'
import { hostPortText } from '../../core/address.ts'
import { ownCertificates } from '../../wire/tls/own-certificates.ts'
import type { Addresses, Endpoint } from '../addresses.ts'
import { speaksTls, tlsEndOf } from '../manifest/client-secrets.ts'
import { gatewayPort } from '../manifest/gateways.ts'
import { loopback } from '../shared/ports.ts'
import type { KindPaths } from './paths.ts'
import type { KindMemory } from './state.ts'

/**
 * How clients reach the Gateways: at their own addresses, or at the ports of this machine that they are published on.
 */
export function addressesAt(
  paths: Pick<KindPaths, 'tls'>,
  { deployment, published }: Pick<KindMemory, 'deployment' | 'published'>,
  hosts: { readonly cache: string; readonly scheduler: string },
): Addresses {
  const asked = deployment ?? {}
  const at = (server: 'cache' | 'scheduler') =>
    published ? endpoint(paths, asked, loopback, published[server]) : endpoint(paths, asked, hosts[server])
  const cache = at('cache')
  // Calls for the console go in through the cache's Gateway, if it can tell them apart.
  const toConsole = hasConsole(asked) && tlsEndOf(asked) !== 'servers'
  return { cache, scheduler: at('scheduler'), ...(toConsole && { console: { ...cache, hasPage: false } }) }
}

function endpoint(paths: Pick<KindPaths, 'tls'>, deployment: Deployment, host: string, port?: number): Endpoint {
  const isSecure = speaksTls(deployment)
  // Clients assume port 80 where there is no TLS, but not all of them 443 with TLS.
  const address = port === undefined && !isSecure ? host : hostPortText({ host, port: port ?? gatewayPort(deployment) })
  if (!isSecure) return { address, url: `grpc://${address}` }
  const { ca, client } = ownCertificates(paths.tls)
  return { address, url: `grpcs://${address}`, tls: { ca, ...(tlsEndOf(deployment) === 'servers' && client) } }
}

/** Every spelling of these addresses by which a client may ask for its token. */
export function spellingsOf({ cache, scheduler }: Addresses, deployment: Deployment): string[] {
  return [cache, scheduler].flatMap(({ address }) => {
    const host = address.replace(/:\d+$/, '')
    const isUsual = address === host || address.endsWith(`:${gatewayPort(deployment)}`)
    return isUsual ? [host, `${host}:${gatewayPort(deployment)}`] : [address]
  })
}
