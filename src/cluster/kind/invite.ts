import { hostPortText, parseHostPort } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { ownCertificates } from '../../wire/tls/own-certificates.ts'
import { certificatesIn, readPem } from '../../wire/tls/pem.ts'
import type { MeetingPlace } from '../driver.ts'
import { asksTokens, speaksTls, tlsEndOf } from '../manifest/client-secrets.ts'
import { assertCertified, fingerprintFor } from '../shared/meeting.ts'
import type { KindContext } from './context.ts'
import { addressesAt } from './door.ts'
import { readKindMemory } from './state.ts'

/**
 * Where machines beside the cluster find its scheduler: at the Gateway's address in docker's network, which containers
 * and virtual machines of this machine reach, and others that have a route to it.
 * @param asked a name or an address to use instead
 * @throws Failure 'not-found' without a deployment, 'precondition' when none could connect, 'invalid' for a name that
 *   the certificate does not cover
 */
export async function meetingPlace(
  { paths }: Pick<KindContext, 'paths'>,
  asked: string | undefined,
): Promise<MeetingPlace> {
  const memory = await readKindMemory(paths)
  const flag = paths.name === 'native' ? '' : ` --name ${paths.name}`
  const next = [`Run \`native deploy${flag} --tls auto --access team\`: then machines can join.`]
  if (!memory?.deployment || !memory.pool)
    throw new Failure('not-found', `nothing is deployed on cluster "${paths.name}"`, { next })
  const missing = [
    ...(speaksTls(memory.deployment) ? [] : ['it has no TLS, so anyone on the way could read the token']),
    ...(asksTokens(memory.deployment) ? [] : ['it asks nobody for a token']),
  ]
  if (missing.length > 0)
    throw new Failure('precondition', `no machine can join cluster "${paths.name}": ${missing.join('; ')}`, { next })
  const file = ownCertificates(paths.tls).server.cert
  const what = 'the certificate of the Gateways'
  const chain = certificatesIn((await readPem(file, what)).text, file, what)
  const { host: own, port } = parseHostPort(addressesAt(paths, memory, memory.pool).scheduler.address)
  const host = asked ?? own
  assertCertified(host, chain[0])
  return {
    url: `grpcs://${hostPortText({ host, port })}`,
    fingerprint: fingerprintFor(chain),
    fingerprintIsOwn: false,
    // The scheduler reads tokens from a Secret, which nothing in the cluster may write.
    exchanges: false,
    asksCertificate: tlsEndOf(memory.deployment) === 'servers',
    otherHosts: [],
  }
}
