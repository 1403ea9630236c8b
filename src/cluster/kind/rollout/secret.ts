import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import type { Step } from '../../driver.ts'
import { applyObjects, readObject } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { secretKey, secretName, secretOf } from '../../manifest/secret.ts'
import { newSecretText } from '../../shared/secret-text.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'

/** As a server reads it (config/secret.ts). */
const lengthMin = 22
const kept = z.object({ data: z.record(z.string(), z.base64()).optional() })

/**
 * A step that makes sure of the servers' Secret.
 * @param work receives the fingerprint on which pods restart
 */
export function secretStep(context: KindContext, work: { secretPrint?: string }): Step {
  return {
    title: 'Secret of the servers',
    async run(report) {
      const kubernetes = await kubernetesOf(context, report)
      const { print, made } = await ensureSecret(kubernetes, namespaceOf(context), report.signal)
      work.secretPrint = print
      report.say(made ? 'made' : 'kept')
    },
  }
}

/**
 * The servers' Secret: created once, and kept as long as it exists, whoever created it. It exists only in the cluster;
 * deleting it means asking for a new one.
 * @throws Failure 'precondition' as readSecret does
 */
export async function ensureSecret(
  kubernetes: Kubernetes,
  namespace: string,
  signal?: AbortSignal,
): Promise<{ readonly print: string; readonly made: boolean }> {
  const before = await readSecret(kubernetes, namespace, signal)
  if (before !== undefined) return { print: printOf(before), made: false }
  const text = newSecretText()
  await applyObjects(kubernetes, [secretOf({ namespace }, text)], signal ? { signal } : {})
  return { print: printOf(text), made: true }
}

/**
 * The fingerprint on which pods restart when the Secret changes; undefined while there is none.
 * @throws Failure 'precondition' as readSecret does
 */
export async function secretPrint(kubernetes: Kubernetes, namespace: string): Promise<string | undefined> {
  const text = await readSecret(kubernetes, namespace)
  return text === undefined ? undefined : printOf(text)
}

/**
 * @throws Failure 'precondition' for a Secret of this name that no server would start with; never reveals its content
 */
async function readSecret(
  kubernetes: Kubernetes,
  namespace: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const object = await readObject(kubernetes, secretOf({ namespace }, ''), signal)
  if (object === undefined) return undefined
  const encoded = kept.safeParse(object).data?.data?.[secretKey] ?? ''
  const text = Buffer.from(encoded, 'base64').toString('utf8').trim()
  if (text.length >= lengthMin) return text
  throw new Failure(
    'precondition',
    `the Secret of the servers has no "${secretKey}" of ${lengthMin} characters or more`,
    {
      where: `Secret ${namespace}/${secretName}`,
      next: [
        `Remove it with \`kubectl delete secret ${secretName} --namespace ${namespace}\`; the next \`native deploy\` makes another.`,
      ],
    },
  )
}

/** Only reveals whether a secret is the same: 256 random bits cannot be guessed from it. */
function printOf(text: string): string {
  return createHash('sha256').update(`native secret ${text}`).digest('hex').slice(0, 16)
}
