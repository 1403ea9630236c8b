import type { X509Certificate } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { hostname } from 'node:os'
import type { Deployment } from '../../config/deployment.ts'
import { hostPortText, isLoopback } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { hostsOf, ownCertificates } from '../../wire/tls/own-certificates.ts'
import { certificatesIn, readPem } from '../../wire/tls/pem.ts'
import type { MeetingPlace } from '../driver.ts'
import { assertCertified, fingerprintFor } from '../shared/meeting.ts'
import { loopback } from '../shared/ports.ts'
import type { ProcessContext } from './context.ts'
import { namedHost, ownFolder } from './door.ts'
import type { ClusterPaths } from './paths.ts'
import { readMemory } from './state.ts'

/**
 * Where other machines find the scheduler, and how they recognise it.
 * @param asked a name or an address by which they reach this machine; chosen when absent
 * @throws Failure 'not-found' without a deployment, 'precondition' when none could connect, 'invalid' for a name that
 *   the certificate does not cover
 */
export async function meetingPlace(
  { paths }: Pick<ProcessContext, 'paths'>,
  asked: string | undefined,
): Promise<MeetingPlace> {
  const memory = await readMemory(paths)
  const flag = paths.name === 'native' ? '' : ` --name ${paths.name}`
  if (memory?.joined)
    throw new Failure(
      'precondition',
      `this machine works for ${memory.joined.scheduler}, and has no cluster of its own`,
      {
        next: ['Run `native invite` on the machine of the cluster.'],
      },
    )
  if (!memory?.deployment)
    throw new Failure('not-found', `nothing is deployed as cluster "${paths.name}"`, { next: [deployText(flag)] })
  const { deployment, ports } = memory
  assertOpen(deployment, paths.name, flag)
  const certificates = await chainOf(deployment, paths)
  const hosts = await hostsFor(deployment)
  const host = asked ?? hosts[0] ?? loopback
  assertCertified(host, certificates[0], adviceFor(host, deployment, flag))
  const fingerprint = fingerprintFor(certificates)
  return {
    url: `grpcs://${hostPortText({ host, port: ports['scheduler'] ?? 0 })}`,
    fingerprint,
    fingerprintIsOwn: fingerprint !== null && certificates.length === 1,
    exchanges: true,
    asksCertificate: typeof deployment.tls === 'object' && deployment.tls.client_ca !== undefined,
    otherHosts: hosts.filter((each) => each !== host),
  }
}

function deployText(flag: string): string {
  return `Run \`native deploy${flag} --listen 0.0.0.0 --tls auto --access team\`: then other machines can join.`
}

/** @throws Failure 'precondition' that names every obstacle */
function assertOpen({ listen = loopback, tls = 'off', access = 'none' }: Deployment, name: string, flag: string): void {
  const missing = [
    ...(isLoopback(listen) ? [`it listens on ${listen}, which other machines do not reach`] : []),
    ...(tls === 'off' ? ['it has no TLS, so anyone on the way could read the token'] : []),
    ...(access === 'none' ? ['it asks nobody for a token'] : []),
  ]
  if (missing.length > 0)
    throw new Failure('precondition', `no machine can join cluster "${name}": ${missing.join('; ')}`, {
      next: [deployText(flag)],
    })
}

/** The certificate chain that the servers present, their own certificate first. */
async function chainOf({ tls }: Deployment, paths: ClusterPaths): Promise<X509Certificate[]> {
  const file = (typeof tls === 'object' && tls.cert) || ownCertificates(ownFolder(paths)).server.cert
  const what = 'the certificate'
  return certificatesIn((await readPem(file, what)).text, file, what)
}

/** How the certificate comes to be for another host, if it is ours. */
function adviceFor(host: string, { tls, tls_hosts: told = [] }: Deployment, flag: string): string[] {
  if (typeof tls === 'object' && tls.cert !== undefined) return []
  const flags = [...told, host].map((each) => ` --tls-host ${each}`).join('')
  return [`\`native deploy${flag}${flags}\` makes one that is for ${host} too.`]
}

/** Names and addresses by which others may reach this machine, the likeliest first. */
async function hostsFor(deployment: Deployment): Promise<string[]> {
  const named = await namedHost(deployment)
  if (named !== undefined) return [named]
  const { listen = loopback, tls_hosts: told = [] } = deployment
  const all = hostsOf([listen]).filter((each) => !isLoopback(each) && (listen !== '0.0.0.0' || !each.includes(':')))
  const isOpen = listen === '0.0.0.0' || listen === '::'
  const rank = (each: string) => (isIPv4(each) ? 0 : each === hostname() ? 1 : 2)
  const own = isOpen ? all.toSorted((a, b) => rank(a) - rank(b)) : [listen, ...all]
  // What somebody has told us is what others use.
  return [...new Set([...told, ...own])]
}
