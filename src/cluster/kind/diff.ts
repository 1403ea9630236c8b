import { Failure } from '../../core/failure.ts'
import type { DeployOptions, ObjectDiff } from '../driver.ts'
import { diffObjects } from '../kubernetes/diff.ts'
import { manifestsOf } from '../manifest/layout.ts'
import { layered } from '../process/settings.ts'
import type { KindContext } from './context.ts'
import { kubernetesOf } from './kubernetes.ts'
import { askedOf, objectsOf, requestOf, withoutClaimsThatAreThere } from './plan.ts'
import { plannedImages } from './planned-images.ts'
import { readKindMemory } from './state.ts'

const imagesMsMax = 60_000

/**
 * What a deployment of these options would change: objects, and images that it would build or take before.
 * @throws Failure 'not-found' without a cluster, and as plannedImages does
 */
export async function diffDeployment(context: KindContext, options: DeployOptions): Promise<ObjectDiff[]> {
  const { paths } = context
  const asked = await askedOf(options)
  const memory = await readKindMemory(paths)
  if (!memory?.container)
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next: ['Run `native up` first.'] })
  const { images, diffs } = await plannedImages(context, options, memory, AbortSignal.timeout(imagesMsMax))
  const whole = options.configFile !== undefined
  const deployment = layered(whole ? {} : (memory.deployment ?? {}), asked)
  const { operations, application } = manifestsOf(requestOf(context, memory, deployment, images))
  const halves = { operations: [operations], application: [application] }
  const files = options.only ? halves[options.only] : [operations, application]
  const kubernetes = await kubernetesOf(context)
  const objects = await withoutClaimsThatAreThere(kubernetes, files.flatMap(objectsOf))
  return [...diffs, ...(await diffObjects(kubernetes, objects))]
}
