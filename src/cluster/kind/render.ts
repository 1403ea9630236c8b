import type { Deployment } from '../../config/deployment.ts'
import { deploymentConfig } from '../../config/deployment.ts'
import { loadConfig } from '../../config/load.ts'
import { Failure } from '../../core/failure.ts'
import { imageNameText, parseImageName } from '../../image/name.ts'
import type { DeployOptions, DriverKind, GatewayProfile, Step } from '../driver.ts'
import { manifestsOf } from '../manifest/layout.ts'
import type { Images } from '../manifest/request.ts'
import { writeManifests } from '../manifest/write.ts'
import type { Machine } from '../process/render.ts'
import { fromOptions, layered } from '../process/settings.ts'

export interface RenderOptions extends DeployOptions {
  /** Where the files go; made when it is not there. */
  readonly folder: string
  /** Which driver the user named: only one of them has objects. */
  readonly driver: DriverKind
  /** cilium where it is not said. */
  readonly profile?: GatewayProfile
  readonly namespace: string
  /** Of cache and scheduler; as docker writes it. */
  readonly image?: string
  /** Of workers; that of the servers when absent. */
  readonly workerImage?: string
  readonly machine: Machine
  readonly release: string
}

/**
 * Writes a deployment as plain YAML, for GitOps or to be read. Needs no cluster and changes none.
 * There is no address pool in it: the cluster that it is for gives addresses in its own way.
 * @throws (from run) Failure 'invalid' without an image or for a name that is none, as loadConfig
 *   does, as writeManifests does
 */
export function renderSteps(options: RenderOptions): Step[] {
  return [
    {
      title: `Objects in ${options.folder}`,
      async run(report) {
        assertKind(options.driver)
        const images = imagesOf(options)
        const deployment = await deploymentOf(options)
        const written = await writeManifests(
          options.folder,
          manifestsOf({ profile: 'cilium', ...options, images, deployment }),
        )
        report.say(`${written.length} files; apply them with \`kubectl apply -k ${options.folder}\``)
      },
    },
  ]
}

function assertKind(driver: DriverKind): void {
  if (driver === 'kind') return
  throw new Failure('invalid', 'servers that are processes of this machine have no Kubernetes objects', {
    where: '--render',
    next: ['Say --driver kind as well.'],
  })
}

async function deploymentOf(options: RenderOptions): Promise<Deployment> {
  const file = options.configFile
  return layered(file === undefined ? {} : await loadConfig(file, deploymentConfig), fromOptions(options))
}

function imagesOf({ image, workerImage = image }: RenderOptions): Images {
  if (image === undefined || workerImage === undefined)
    throw new Failure('invalid', 'objects that are written for another cluster name images that it can pull', {
      where: '--image',
      next: ['Push them with `native image copy docker://REGISTRY/native:TAG`, then give --image and --worker-image.'],
    })
  return { server: fullName(image), worker: fullName(workerImage) }
}

/** The name in full: a node knows none of docker's short forms. */
function fullName(text: string): string {
  return imageNameText(parseImageName(text))
}
