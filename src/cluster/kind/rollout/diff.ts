import type { Deployment } from '../../../config/deployment.ts'
import { Failure } from '../../../core/failure.ts'
import type { ObjectDiff } from '../../driver.ts'
import { readObject } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { diffObjects } from '../../kubernetes/diff.ts'
import { accessFilesOf } from '../../manifest/access-files.ts'
import {
  accessFilesName,
  asksTokens,
  authoritiesName,
  certificateName,
  ownCertificateName,
  speaksTls,
  tlsEndOf,
  tokensName,
} from '../../manifest/client-secrets.ts'
import { manifestsOf } from '../../manifest/layout.ts'
import { secretName } from '../../manifest/secret.ts'
import type { DeployOptions } from '../../options.ts'
import { layered } from '../../shared/deployment-layers.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { plannedImages } from '../images/planned.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { readKindMemory } from '../state.ts'
import { assertAdmits, objectsOf, requestedDeployment, requestOf, withoutClaimsThatAreThere } from './plan.ts'
import { secretPrint } from './secret.ts'

const imagesMsMax = 60_000

/** Values of Secrets do not exist before they are made, and are never shown. */
function newSecret(name: string, value: string): ObjectDiff {
  return { object: `Secret/${name}`, change: 'created', text: `+${value}\n` }
}

/** The Secrets that this deployment would make. */
async function newSecrets(
  context: KindContext,
  kubernetes: Kubernetes,
  deployment: Deployment,
  print: string | undefined,
): Promise<ObjectDiff[]> {
  const key = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: namespaceOf(context) },
  })
  const wanted: readonly (readonly [boolean, string, string])[] = [
    [speaksTls(deployment), certificateName, 'a certificate for the Gateways, and its key'],
    [tlsEndOf(deployment) === 'servers', authoritiesName, "the authorities of clients' certificates"],
    [tlsEndOf(deployment) === 'servers', ownCertificateName, 'what the servers show each other, and its key'],
    [asksTokens(deployment), tokensName, 'the hashes of the tokens'],
    [accessFilesOf(deployment).length > 0, accessFilesName, 'passwords, and keys of issuers'],
  ]
  const made = print === undefined ? [newSecret(secretName, 'a random value that the servers have in common')] : []
  for (const [isWanted, name, value] of wanted)
    if (isWanted && (await readObject(kubernetes, key(name))) === undefined) made.push(newSecret(name, value))
  return made
}

/**
 * What a deployment of these options would change: objects, and images that it would build or take before.
 * @throws Failure 'not-found' without a cluster, and as plannedImages does
 */
export async function diffDeployment(context: KindContext, options: DeployOptions): Promise<ObjectDiff[]> {
  const { paths } = context
  const asked = await requestedDeployment(options)
  const memory = await readKindMemory(paths)
  if (!memory?.container)
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next: ['Run `native up` first.'] })
  const { images, diffs } = await plannedImages(context, options, memory, AbortSignal.timeout(imagesMsMax))
  const whole = options.configFile !== undefined
  const deployment = layered(whole ? {} : (memory.deployment ?? {}), asked)
  await assertAdmits(deployment, memory.profile, options.configFile)
  const kubernetes = await kubernetesOf(context)
  const print = await secretPrint(kubernetes, namespaceOf(context))
  const request = requestOf(context, memory, deployment, images)
  const { operations, application } = manifestsOf({ ...request, ...(print !== undefined && { secretPrint: print }) })
  const halves = { operations: [operations], application: [application] }
  const files = options.only ? halves[options.only] : [operations, application]
  const objects = await withoutClaimsThatAreThere(kubernetes, files.flatMap(objectsOf))
  const secrets = await newSecrets(context, kubernetes, deployment, print)
  return [...diffs, ...secrets, ...(await diffObjects(kubernetes, objects))]
}
