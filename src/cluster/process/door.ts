import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Deployment, Settings } from '../../config/deployment.ts'
import { hostPortText } from '../../core/address.ts'
import { systemFailure } from '../../host/system-errors.ts'
import type { CallTarget } from '../../wire/tls/called.ts'
import type { ClientTlsFiles } from '../../wire/tls/client-tls.ts'
import { ownCertificates } from '../../wire/tls/own-certificates.ts'
import type { Addresses, Endpoint } from '../addresses.ts'
import { loopback, type Ports } from '../shared/ports.ts'
import type { ClusterPaths } from './paths.ts'

/** How clients, and the cluster's own servers, reach a server. */
export interface Door {
  /** What the servers listen on. */
  readonly listen: string
  /** The address that this machine's own programs call: the same, unless that is the wildcard. */
  readonly dial: string
  /** A server's `tls` setting; undefined without TLS. */
  readonly serverTls: Settings | undefined
  /** The TLS files with which our own programs call; undefined without TLS. */
  readonly clientTls: ClientTlsFiles | undefined
}

const dialled: Readonly<Record<string, string>> = { '0.0.0.0': loopback, '::': '::1' }

/** The door of a deployment. */
export function doorOf(
  { listen = loopback, tls = 'off', tls_hosts: hosts = [] }: Deployment,
  paths: Pick<ClusterPaths, 'data'>,
): Door {
  const common = { listen, dial: dialled[listen] ?? listen }
  if (tls === 'off') return { ...common, serverTls: undefined, clientTls: undefined }
  const files = tls === 'auto' ? {} : tls
  const folder = ownFolder(paths)
  const own = ownCertificates(folder)
  const clients = files.client_ca
  return {
    ...common,
    serverTls: {
      ...(files.cert === undefined
        ? { auto: folder, ...(hosts.length > 0 && { hosts }) }
        : { cert: files.cert, key: files.key }),
      // Our own programs have certificates from our own authority.
      ...(clients !== undefined && { client_ca: [clients, own.ca], client_cert: 'required' }),
    },
    clientTls: {
      ...(files.cert === undefined ? { ca: own.ca } : { pin: files.cert }),
      ...(clients !== undefined && own.client),
    },
  }
}

/** Does the door need certificates that we create? */
export function needsOwn({ tls = 'off' }: Deployment): boolean {
  return tls === 'auto' || (typeof tls === 'object' && (tls.cert === undefined || tls.client_ca !== undefined))
}

/** The folder of the certificates we create; it stays with the data. */
export function ownFolder({ data }: Pick<ClusterPaths, 'data'>): string {
  return join(data, 'tls')
}

/** How our own programs call a port of the door. */
export function targetAt({ dial, clientTls }: Door, port: number | undefined): CallTarget {
  const scheme = clientTls ? 'grpcs' : 'grpc'
  return { url: `${scheme}://${hostPortText({ host: dial, port: port ?? 0 })}`, ...(clientTls && { tls: clientTls }) }
}

/** The addresses of cache and scheduler as given to clients. */
export async function addressesAt(deployment: Deployment, paths: ClusterPaths, ports: Ports): Promise<Addresses> {
  const door = doorOf(deployment, paths)
  const host = (await namedHost(deployment)) ?? door.dial
  const endpoint = (port: number | undefined): Endpoint => {
    const { tls, url } = targetAt({ ...door, dial: host }, port)
    return { address: hostPortText({ host, port: port ?? 0 }), url, ...(tls && { tls }) }
  }
  return { cache: endpoint(ports['cas']), scheduler: endpoint(ports['scheduler']) }
}

/** The first name in a user's own certificate: no client would accept any other. */
export async function namedHost({ tls }: Deployment): Promise<string | undefined> {
  if (typeof tls !== 'object' || tls.cert === undefined) return undefined
  try {
    const names = new X509Certificate(await readFile(tls.cert)).subjectAltName ?? ''
    const [, dns, ip] = /(?:^|, )(?:DNS:([^*,"][^,"]*)|IP Address:([^,"]+))/.exec(names) ?? []
    return dns ?? ip
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the certificate', where: tls.cert })
  }
}
