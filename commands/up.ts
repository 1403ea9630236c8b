import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand, nameFlag } from '../src/cli/base.ts'
import type { GatewayProfile, UpOptions } from '../src/cluster/options.ts'

const nodeGroup = { helpGroup: 'KIND' }

export default class Up extends NativeCommand {
  static override summary = 'bring up a local cluster: folders, ports and a supervisor, or nodes, network and Gateways'
  static override description =
    'With --driver kind, kind creates a Kubernetes cluster in docker. Later commands find a cluster by its name. The node settings stay in effect until down.'
  static override examples = [
    '<%= config.bin %> up',
    '<%= config.bin %> up --name second',
    '<%= config.bin %> up --at-login',
    '<%= config.bin %> up --driver kind --gateway envoy --nodes 3',
  ]
  static override flags = {
    ...clusterFlags,
    'at-login': Flags.boolean({
      summary: 'bring up the cluster whenever you log in, until down; --no-at-login undoes this',
      allowNo: true,
    }),
    retain: Flags.boolean({ summary: 'if a step fails, keep what was created, for inspection' }),
    gateway: Flags.option({
      summary:
        'what provides addresses and Gateways: cilium (installed with helm), or Envoy Gateway with MetalLB; by default cilium',
      options: ['cilium', 'envoy'] as const,
      ...nodeGroup,
    })(),
    nodes: Flags.integer({ summary: 'number of nodes; by default 1', min: 1, max: 32, ...nodeGroup }),
    image: Flags.string({ summary: 'image of the nodes', exclusive: ['kubernetes-version'], ...nodeGroup }),
    'kubernetes-version': Flags.string({ summary: 'release of Kubernetes, such as 1.34', ...nodeGroup }),
    'image-archive': Flags.file({
      summary: 'a file made by `docker save`, whose images are loaded into the nodes; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
      ...nodeGroup,
    }),
    'registry-mirror': Flags.string({
      summary: 'HOST=URL: nodes pull images of the registry HOST from URL; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
      ...nodeGroup,
    }),
    publish: Flags.boolean({
      summary:
        'publish the Gateways on ports of 127.0.0.1; the default where containers cannot be reached (macOS, WSL)',
      allowNo: true,
      ...nodeGroup,
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Up)
    const driver = await this.openDriver(flags)
    await this.runSteps(driver.up(optionsOf(flags)), flags)
    const status = await driver.status()
    if (flags.json) this.printJson(status)
    else if (status.state === 'up' || status.servers.length === 0)
      this.printWrapped(`Cluster "${flags.name}" is up. Next: ${this.config.bin} deploy${nameFlag(flags)}`)
    else
      this.printWrapped(
        `Cluster "${flags.name}" is up, with its servers deployed. Next: ${this.config.bin} ips${nameFlag(flags)}`,
      )
  }
}

/** Flags that were not given are absent. */
function optionsOf(flags: UpFlags): UpOptions {
  return {
    retain: flags.retain,
    ...(flags['at-login'] !== undefined && { atLogin: flags['at-login'] }),
    ...(flags.gateway !== undefined && { gateway: flags.gateway }),
    ...(flags.nodes !== undefined && { nodes: flags.nodes }),
    ...(flags.image !== undefined && { nodeImage: flags.image }),
    ...(flags['kubernetes-version'] !== undefined && { kubernetesVersion: flags['kubernetes-version'] }),
    ...(flags['image-archive'] !== undefined && { imageArchives: flags['image-archive'] }),
    ...(flags['registry-mirror'] !== undefined && { registryMirrors: flags['registry-mirror'] }),
    ...(flags.publish !== undefined && { publish: flags.publish }),
  }
}

interface UpFlags {
  readonly retain: boolean
  readonly 'at-login'?: boolean | undefined
  readonly gateway?: GatewayProfile | undefined
  readonly nodes?: number | undefined
  readonly image?: string | undefined
  readonly 'kubernetes-version'?: string | undefined
  readonly 'image-archive'?: string[] | undefined
  readonly 'registry-mirror'?: string[] | undefined
  readonly publish?: boolean | undefined
}
