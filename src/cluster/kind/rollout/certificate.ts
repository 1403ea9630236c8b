import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { readIfThere } from '../../../host/files.ts'
import { ensureOwnCertificates, ownCertificates } from '../../../wire/tls/own-certificates.ts'
import type { Step } from '../../driver.ts'
import { applyObjects } from '../../kubernetes/apply.ts'
import { certificateSecretOf, speaksTls } from '../../manifest/client-secrets.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { readKindMemory } from '../state.ts'

/** Nothing renews it between deployments, so a due renewal is reported in time. */
const warnMsMin = 21 * 86_400_000

/**
 * Creates the Gateways' certificate if there is none or it expires soon, and gives it to the cluster. The authority
 * stays on this machine.
 */
export function certificateStep(context: KindContext): Step {
  const { paths } = context
  return {
    title: 'Certificate of the Gateways',
    async run(report) {
      const memory = await readKindMemory(paths)
      if (!memory || !speaksTls(memory.deployment ?? {})) return report.say('none: there is no TLS')
      const made = await ensureOwnCertificates(paths.tls, memory.pool ? [memory.pool.cache, memory.pool.scheduler] : [])
      const { server } = ownCertificates(paths.tls)
      const [cert, key] = [await readFile(server.cert, 'utf8'), await readFile(server.key, 'utf8')]
      const secret = certificateSecretOf({ namespace: namespaceOf(context) }, { cert, key })
      const [applied] = await applyObjects(await kubernetesOf(context, report), [secret], { signal: report.signal })
      report.say(`${made.length === 0 ? 'that' : 'made'} in ${paths.tls}; Secret ${applied?.change ?? 'unchanged'}`)
    },
  }
}

/** In a sentence, that the certificate needs to be renewed by a deployment; nothing while it need not. */
export async function certificateProblems({ paths, clock }: Pick<KindContext, 'paths' | 'clock'>): Promise<string[]> {
  const text = await readIfThere(ownCertificates(paths.tls).server.cert)
  if (text === undefined) return ['the certificate of the Gateways is not there; `native deploy` makes another']
  const until = new X509Certificate(text).validToDate
  const leftMs = until.getTime() - clock.now()
  if (leftMs >= warnMsMin) return []
  return [
    `the certificate of the Gateways ${leftMs > 0 ? 'expires' : 'expired'} at ${until.toISOString()}; \`native deploy\` renews it`,
  ]
}
