import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Deployment } from '../../../config/deployment.ts'
import { readIfThere } from '../../../host/files.ts'
import { ensureOwnCertificates, ownCertificates } from '../../../wire/tls/own-certificates.ts'
import { loadAuthorities } from '../../../wire/tls/server-tls.ts'
import type { Step } from '../../driver.ts'
import { applyObjects } from '../../kubernetes/apply.ts'
import {
  authoritiesSecretOf,
  certificateSecretOf,
  ownCertificateSecretOf,
  speaksTls,
  tlsEndOf,
} from '../../manifest/client-secrets.ts'
import { doors } from '../../manifest/gateways.ts'
import type { KubeObject } from '../../manifest/object.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { type KindMemory, readKindMemory } from '../state.ts'
import type { Work } from './plan.ts'
import { type News, tellPods } from './told.ts'

/** Nothing renews it between deployments, so a due renewal is reported in time. */
const warnMsMin = 21 * 86_400_000
/** The time limit for undoing a failed deployment. */
const undoMsMax = 60_000

/**
 * Creates the Gateways' certificate if there is none or it expires soon, and gives it to the cluster; where TLS ends in
 * the servers, also what they show each other, and whom they accept. The authority's key stays on this machine.
 */
export function certificateStep(context: KindContext, work: Pick<Work, 'before'>): Step {
  const { paths } = context
  let hasSent = false
  return {
    title: 'Certificate of the Gateways',
    async run(report) {
      const memory = await readKindMemory(paths)
      if (!memory || !speaksTls(memory.deployment ?? {})) return report.say('none: there is no TLS')
      const deployment = memory.deployment ?? {}
      const made = await ensureOwnCertificates(paths.tls, hostsOf(deployment, memory.pool))
      const secrets = await secretsOf(context, deployment)
      hasSent = true
      const kubernetes = await kubernetesOf(context, report)
      const applied = await applyObjects(kubernetes, secrets, { signal: report.signal })
      if (tlsEndOf(deployment) === 'servers') await tellPods(context, kubernetes, newsOf(secrets), report.signal)
      const changes = applied.map(({ object, change }) => `${object} ${change}`)
      report.say(`${made.length === 0 ? 'that' : 'made'} in ${paths.tls}; ${changes.join(', ')}`)
    },
    // Whom the servers accepted before.
    async undo() {
      const before = work.before?.deployment ?? {}
      if (!hasSent || tlsEndOf(before) !== 'servers') return
      const kubernetes = await kubernetesOf(context, { say: () => undefined })
      const signal = AbortSignal.timeout(undoMsMax)
      const secrets = await secretsOf(context, before)
      await applyObjects(kubernetes, secrets, { signal })
      await tellPods(context, kubernetes, newsOf(secrets), signal)
    },
    undoes: () => hasSent && tlsEndOf(work.before?.deployment ?? {}) === 'servers',
  }
}

/** Servers that speak TLS themselves are called by their Services' names, too. */
function hostsOf(deployment: Deployment, pool: KindMemory['pool']): string[] {
  const names = tlsEndOf(deployment) === 'servers' ? doors.map(({ server }) => server) : []
  return [...(pool ? [pool.cache, pool.scheduler] : []), ...names]
}

async function secretsOf(context: KindContext, { tls }: Deployment): Promise<KubeObject[]> {
  const { ca, server, client } = ownCertificates(context.paths.tls)
  const request = { namespace: namespaceOf(context) }
  const shown = await textsOf(server)
  if (typeof tls !== 'object' || tls.client_ca === undefined) return [certificateSecretOf(request, shown)]
  const own = await readFile(ca, 'utf8')
  return [
    certificateSecretOf(request, shown),
    authoritiesSecretOf(request, await loadAuthorities(tls.client_ca), own),
    ownCertificateSecretOf(request, await textsOf(client), own),
  ]
}

function newsOf(secrets: readonly KubeObject[]): News {
  const servers = ['cas', 'scheduler', 'worker', 'console'] as const
  return { annotation: 'native/certificates', text: JSON.stringify(secrets), servers }
}

async function textsOf({ cert, key }: { readonly cert: string; readonly key: string }) {
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') }
}

/** In sentences, which certificates of the deployment need to be renewed by another one. */
export async function certificateProblems(
  { paths, clock }: Pick<KindContext, 'paths' | 'clock'>,
  deployment: Deployment,
): Promise<string[]> {
  const end = tlsEndOf(deployment)
  const { server, client } = ownCertificates(paths.tls)
  const problems = [
    ...(end === 'nowhere' ? [] : [await problemOf('the certificate of the Gateways', server.cert, clock.now())]),
    ...(end === 'servers' ? [await problemOf('the certificate of the servers', client.cert, clock.now())] : []),
  ]
  return problems.flatMap((each) => each ?? [])
}

async function problemOf(what: string, file: string, now: number): Promise<string | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return `${what} is not there; \`native deploy\` makes another`
  const until = new X509Certificate(text).validToDate
  const leftMs = until.getTime() - now
  if (leftMs >= warnMsMin) return undefined
  return `${what} ${leftMs > 0 ? 'expires' : 'expired'} at ${until.toISOString()}; \`native deploy\` renews it`
}
