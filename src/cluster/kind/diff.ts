import { Failure } from '../../core/failure.ts'
import type { DeployOptions, ObjectDiff } from '../driver.ts'
import { diffObjects } from '../kubernetes/diff.ts'
import { manifestsOf } from '../manifest/layout.ts'
import { layered } from '../process/settings.ts'
import type { KindContext } from './context.ts'
import { kubernetesOf } from './kubernetes.ts'
import { askedOf, objectsOf, requestOf, withoutClaimsThatAreThere } from './plan.ts'
import { readKindMemory } from './state.ts'

/**
 * What a deployment of these options would change. The images are those that are deployed: building
 * others would change something.
 * @throws Failure 'not-found' without a cluster, 'precondition' when no image is known
 */
export async function diffDeployment(context: KindContext, options: DeployOptions): Promise<ObjectDiff[]> {
  const { paths, settings } = context
  const asked = await askedOf(options)
  const memory = await readKindMemory(paths)
  if (!memory?.container)
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next: ['Run `native up` first.'] })
  const images = settings.images ?? memory.images
  if (!images)
    throw new Failure('precondition', 'no image has been deployed that the objects could name', {
      where: '--diff',
      next: ['Run `native deploy` once; --render shows the objects of a first deployment.'],
    })
  const whole = options.configFile !== undefined
  const deployment = layered(whole ? {} : (memory.deployment ?? {}), asked)
  const { operations, application } = manifestsOf(requestOf(context, memory, deployment, images))
  const halves = { operations: [operations], application: [application] }
  const files = options.only ? halves[options.only] : [operations, application]
  const kubernetes = await kubernetesOf(context)
  return diffObjects(kubernetes, await withoutClaimsThatAreThere(kubernetes, files.flatMap(objectsOf)))
}
