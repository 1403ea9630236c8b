import { availableParallelism } from 'node:os'
import { Flags } from '@oclif/core'
import { addressLines } from '../src/cli/addresses.ts'
import { type ClusterFlags, clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { type DeployFlags, deployOptionsOf, diffText } from '../src/cli/deployment.ts'
import type { GatewayProfile } from '../src/cluster/driver.ts'

const objects = { helpGroup: 'KIND' }

export default class Deploy extends NativeCommand {
  static override summary = 'run a cache, a scheduler and workers on the cluster'
  static override description =
    `Brings the cluster up first where it is not. Waits until the servers answer and an action has run on every worker. Deploying again restarts only what changes; what is not named stays as it was, unless --config is given, which starts from the defaults.

On a kind cluster our images are built and put into the cluster's registry, or a published image is taken by the digest whose signature is good.`
  static override examples = [
    '<%= config.bin %> deploy',
    '<%= config.bin %> deploy --workers 4 --slots 2 --cache-size 20GB',
    '<%= config.bin %> deploy --property container-image=docker://example.com/tools:1',
    '<%= config.bin %> deploy --config deployment.yaml',
    '<%= config.bin %> deploy --driver kind --diff',
    '<%= config.bin %> deploy --driver kind --render objects --image registry.example.com/native:1',
  ]
  static override flags = {
    ...clusterFlags,
    workers: Flags.integer({ summary: 'how many workers', min: 0, max: 256 }),
    slots: Flags.integer({ summary: 'actions that each worker runs at once', min: 1, max: 1024 }),
    'cache-size': Flags.string({ summary: 'what the cache may hold, like 20GB or 512MiB' }),
    property: Flags.string({
      summary: 'what the workers offer beside the usual, as key=value; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
    }),
    config: Flags.file({ summary: 'a YAML file with these and further settings' }),
    image: Flags.string({ summary: 'a published image of cache and scheduler, in place of ours', ...objects }),
    'worker-image': Flags.string({
      summary: "a published image of the workers, with a shell and the actions' tools; --image by default",
      dependsOn: ['image'],
      ...objects,
    }),
    'insecure-ignore-signature': Flags.boolean({
      summary: 'take published images though nothing says that their signatures are good',
      dependsOn: ['image'],
      ...objects,
    }),
    base: Flags.string({
      summary: "another base for our image than its definition's, any place as for image copy",
      exclusive: ['image'],
      ...objects,
    }),
    'worker-base': Flags.string({ summary: "the same for the workers' image", exclusive: ['image'], ...objects }),
    only: Flags.option({
      summary: 'one half: operations (namespace, volume, Gateways) or application (the servers)',
      options: ['operations', 'application'] as const,
      ...objects,
    })(),
    diff: Flags.boolean({ summary: 'show what would change, and change nothing', exclusive: ['render'], ...objects }),
    render: Flags.directory({
      summary: 'write the Kubernetes objects into a folder, for `kubectl apply -k`, and deploy nothing',
      ...objects,
    }),
    gateway: Flags.option({
      summary: 'whose Gateways the written objects are for; cilium by default',
      options: ['cilium', 'envoy'] as const,
      dependsOn: ['render'],
      ...objects,
    })(),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Deploy)
    if (flags.render !== undefined) return this.render(flags.render, flags)
    const options = deployOptionsOf(flags)
    const driver = await this.openDriver(flags)
    if (flags.diff) {
      const diffs = await driver.diff(options)
      if (flags.json) this.printJson({ objects: diffs })
      else this.print(diffText(diffs))
      return
    }
    await this.runSteps(driver.deploy(options), flags)
    if (flags.json) this.printJson(await driver.status())
    else if (flags.only === 'operations') this.print(`Next: ${this.config.bin} deploy --only application`)
    else this.print(addressLines(await driver.addresses()))
  }

  /** Writes the objects of the deployment, and needs no cluster. */
  private async render(folder: string, flags: RenderFlags): Promise<void> {
    const { renderSteps } = await import('../src/cluster/kind/render.ts')
    const steps = renderSteps({
      ...deployOptionsOf(flags),
      folder,
      driver: flags.driver ?? 'kind',
      namespace: flags.name,
      ...(flags.gateway !== undefined && { profile: flags.gateway }),
      machine: { platform: 'linux', arch: process.arch, cpus: availableParallelism() },
      release: this.config.version,
    })
    await this.runSteps(steps, flags)
    if (flags.json) this.printJson({ folder })
  }
}

/** The flags that --render goes with. */
interface RenderFlags extends ClusterFlags, DeployFlags {
  readonly json: boolean
  readonly gateway?: GatewayProfile | undefined
}
