import { resolve } from 'node:path'
import type { Deployment } from '../../config/deployment.ts'
import { loadIdentity } from '../../wire/tls/identity.ts'
import { ensureOwnCertificates } from '../../wire/tls/own-certificates.ts'
import { loadAuthorities } from '../../wire/tls/server-tls.ts'
import type { Step } from '../driver.ts'
import { loopback } from '../shared/ports.ts'
import type { Work } from './configure.ts'
import type { ProcessContext } from './context.ts'
import { needsOwn, ownFolder } from './door.ts'

/** The deployment with absolute paths: its servers run in another folder than the user's. */
export function absolute(deployment: Deployment): Deployment {
  const { tls } = deployment
  if (typeof tls !== 'object') return deployment
  const files = Object.entries(tls).map(([name, file]) => [name, file === undefined ? file : resolve(file)])
  return { ...deployment, tls: Object.fromEntries(files) }
}

/**
 * Checks the files that the user has named.
 * @returns notes about them
 * @throws Failure when they cannot be used by a server
 */
export async function namedCertificates({ tls }: Deployment): Promise<string[]> {
  if (typeof tls !== 'object') return []
  const { cert, key, client_ca: clientCa } = tls
  if (clientCa !== undefined) await loadAuthorities(clientCa)
  if (cert === undefined || key === undefined) return []
  return [cert, ...(await loadIdentity({ cert, key })).warnings]
}

/** Creates the certificates that the cluster needs and lacks, or that expire soon. */
export function certificatesStep({ paths }: ProcessContext, work: Work): Step {
  return {
    title: 'Certificates',
    async run(report) {
      const { deployment } = work
      const said = await namedCertificates(deployment)
      if (needsOwn(deployment)) {
        const folder = ownFolder(paths)
        const made = await ensureOwnCertificates(folder, [
          deployment.listen ?? loopback,
          ...(deployment.tls_hosts ?? []),
        ])
        said.push(made.length === 0 ? `those in ${folder}` : `made in ${folder}`)
      }
      report.say(said.join('; ') || 'none: there is no TLS')
    },
  }
}
