import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import type { GatewayProfile, UpOptions } from '../src/cluster/driver.ts'

const nodeGroup = { helpGroup: 'KIND' }

export default class Up extends NativeCommand {
  static override summary = 'bring a local cluster up: folders, ports and a supervisor; or nodes, network and Gateways'
  static override description =
    'With --driver kind a Kubernetes cluster is made in docker, by kind. Further commands find the cluster of a name by themselves. What up was told about nodes holds until down.'
  static override examples = [
    '<%= config.bin %> up',
    '<%= config.bin %> up --name second',
    '<%= config.bin %> up --driver kind --gateway envoy --nodes 3',
  ]
  static override flags = {
    ...clusterFlags,
    retain: Flags.boolean({ summary: 'keep what was made when it fails, to look at it' }),
    gateway: Flags.option({
      summary: 'who brings addresses and Gateways: cilium (by helm), or Envoy Gateway with MetalLB; cilium by default',
      options: ['cilium', 'envoy'] as const,
      ...nodeGroup,
    })(),
    nodes: Flags.integer({ summary: 'how many nodes; 1 by default', min: 1, max: 32, ...nodeGroup }),
    image: Flags.string({ summary: 'the image of the nodes', exclusive: ['kubernetes-version'], ...nodeGroup }),
    'kubernetes-version': Flags.string({ summary: 'the release of Kubernetes, like 1.34', ...nodeGroup }),
    'image-archive': Flags.file({
      summary: 'a file of `docker save`, whose images the nodes are given; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
      ...nodeGroup,
    }),
    'registry-mirror': Flags.string({
      summary: 'HOST=URL: where the nodes find what is at HOST; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
      ...nodeGroup,
    }),
    publish: Flags.boolean({
      summary: 'publish the Gateways on ports of 127.0.0.1; by default where containers cannot be reached (macOS, WSL)',
      allowNo: true,
      ...nodeGroup,
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Up)
    const driver = await this.openDriver(flags)
    await this.runSteps(driver.up(optionsOf(flags)), flags)
    if (flags.json) this.printJson(await driver.status())
    else this.print(`Cluster "${flags.name}" is up. Next: ${this.config.bin} deploy`)
  }
}

/** A flag that was not given is not there. */
function optionsOf(flags: UpFlags): UpOptions {
  return {
    retain: flags.retain,
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
  readonly gateway?: GatewayProfile | undefined
  readonly nodes?: number | undefined
  readonly image?: string | undefined
  readonly 'kubernetes-version'?: string | undefined
  readonly 'image-archive'?: string[] | undefined
  readonly 'registry-mirror'?: string[] | undefined
  readonly publish?: boolean | undefined
}
