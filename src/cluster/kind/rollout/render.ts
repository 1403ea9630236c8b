import { Failure } from '../../../core/failure.ts'
import type { Step } from '../../driver.ts'
import { manifestsOf } from '../../manifest/layout.ts'
import type { Images } from '../../manifest/request.ts'
import { secretCommand } from '../../manifest/secret.ts'
import { writeManifests } from '../../manifest/write.ts'
import type { RenderOptions } from '../../options.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { renderedRefusal } from '../declaration.ts'
import { fullImageName } from '../images/archives.ts'
import { refused, requestedDeployment } from './plan.ts'

/**
 * Writes a deployment as plain YAML, for GitOps or to be read. Needs no cluster and changes none.
 * There is no address pool in it: the cluster that it is for gives addresses in its own way.
 * @throws (from run) Failure 'invalid' without an image or for a name that is none, as requestedDeployment does
 *   does, as writeManifests does
 */
export function renderSteps(
  context: Pick<KindContext, 'paths' | 'machine' | 'release'>,
  options: RenderOptions,
): Step[] {
  const { folder, gateway: profile = 'cilium' } = options
  return [
    {
      title: `Objects in ${folder}`,
      async run(report) {
        const images = imagesOf(options)
        const deployment = await requestedDeployment(options)
        for (const key of ['tls', 'access'] as const)
          if ((deployment[key] ?? 'none') !== 'none' && deployment[key] !== 'off')
            throw refused(renderedRefusal, key, options.configFile)
        const { machine, release } = context
        const namespace = namespaceOf(context)
        const manifests = manifestsOf({ namespace, deployment, machine, images, profile, release })
        const written = await writeManifests(folder, manifests, notesOf(namespace))
        report.say(
          `${written.length} files; apply them with \`kubectl apply -k ${folder}\`. Once, make the Secret that the servers share: ${secretCommand({ namespace })}`,
        )
      },
    },
  ]
}

/** A random value in a file would be another at each rendering, and a secret in a repository. */
function notesOf(namespace: string): string[] {
  return [
    'The servers wait for a Secret that is not among these files. Make it once, when the namespace is there:',
    `  ${secretCommand({ namespace })}`,
    'Servers of another one refuse each other: after a change, restart all of them.',
  ]
}

function imagesOf({ image, workerImage = image }: RenderOptions): Images {
  if (image === undefined || workerImage === undefined)
    throw new Failure('invalid', 'objects that are written for another cluster name images that it can pull', {
      where: '--image',
      next: ['Push them with `native image copy docker://REGISTRY/native:TAG`, then give --image and --worker-image.'],
    })
  // A node knows none of docker's short forms.
  return { server: fullImageName(image), worker: fullImageName(workerImage) }
}
