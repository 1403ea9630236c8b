import { availableParallelism } from 'node:os'
import { Flags } from '@oclif/core'
import { addressLines } from '../src/cli/addresses.ts'
import { type ClusterFlags, clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { parseProperty, parseSizeFlag } from '../src/cli/values.ts'
import type { DeployOptions, GatewayProfile } from '../src/cluster/driver.ts'

export default class Deploy extends NativeCommand {
  static override summary = 'run a cache, a scheduler and workers on the cluster'
  static override description =
    `Brings the cluster up first where it is not. Waits until the servers answer and an action has run on every worker. Deploying again restarts only what changes; what is not named stays as it was, unless --config is given, which starts from the defaults.`
  static override examples = [
    '<%= config.bin %> deploy',
    '<%= config.bin %> deploy --workers 4 --slots 2 --cache-size 20GB',
    '<%= config.bin %> deploy --property container-image=docker://example.com/tools:1',
    '<%= config.bin %> deploy --config deployment.yaml',
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
    render: Flags.directory({
      summary: 'write the Kubernetes objects into a folder, for `kubectl apply -k`, and deploy nothing',
    }),
    gateway: Flags.option({
      summary: 'whose Gateways the objects are for; cilium where it is not given',
      options: ['cilium', 'envoy'] as const,
      dependsOn: ['render'],
    })(),
    image: Flags.string({ summary: 'the image of cache and scheduler', dependsOn: ['render'] }),
    'worker-image': Flags.string({
      summary: "the image of the workers, with a shell and the actions' tools; --image where it is not given",
      dependsOn: ['image'],
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Deploy)
    const options = {
      ...(flags.workers !== undefined && { workers: flags.workers }),
      ...(flags.slots !== undefined && { slots: flags.slots }),
      ...(flags['cache-size'] !== undefined && { cacheSizeBytes: parseSizeFlag(flags['cache-size'], '--cache-size') }),
      ...(flags.config !== undefined && { configFile: flags.config }),
      properties: (flags.property ?? []).map(parseProperty),
    }
    if (flags.render !== undefined) return this.render(options, flags.render, flags)
    const driver = await this.openDriver(flags)
    const steps = driver.deploy(options)
    await this.runSteps(steps, flags)
    if (flags.json) this.printJson(await driver.status())
    else this.print(addressLines(await driver.addresses()))
  }

  /** Writes the objects of the deployment, and needs no cluster. */
  private async render(options: DeployOptions, folder: string, flags: RenderFlags): Promise<void> {
    const { renderSteps } = await import('../src/cluster/kind/render.ts')
    const steps = renderSteps({
      ...options,
      folder,
      driver: flags.driver,
      namespace: flags.name,
      ...(flags.gateway !== undefined && { profile: flags.gateway }),
      ...(flags.image !== undefined && { image: flags.image }),
      ...(flags['worker-image'] !== undefined && { workerImage: flags['worker-image'] }),
      machine: { platform: 'linux', arch: process.arch, cpus: availableParallelism() },
      release: this.config.version,
    })
    await this.runSteps(steps, flags)
    if (flags.json) this.printJson({ folder })
  }
}

/** The flags that --render goes with. */
interface RenderFlags extends ClusterFlags {
  readonly json: boolean
  readonly gateway?: GatewayProfile | undefined
  readonly image?: string | undefined
  readonly 'worker-image'?: string | undefined
}
