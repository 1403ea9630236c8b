import { Flags } from '@oclif/core'
import { addressLines } from '../src/cli/addresses.ts'
import { type ClusterFlags, clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { type DeployFlags, deployOptionsOf, diffText } from '../src/cli/deployment.ts'
import type { GatewayProfile } from '../src/cluster/options.ts'

const objects = { helpGroup: 'KIND' }

export default class Deploy extends NativeCommand {
  static override summary = 'run a cache, a scheduler and workers on the cluster'
  static override description =
    `Brings the cluster up first if necessary. Waits until the servers answer and every worker has run an action. Deploying again restarts only the servers whose settings change. Settings that you do not give keep their values; with --config, they return to their defaults.

On a kind cluster, the images are built here and pushed to the cluster's registry; with --image, a published image is deployed by its digest once its signature is verified.`
  static override examples = [
    '<%= config.bin %> deploy',
    '<%= config.bin %> deploy --workers 4 --slots 2 --cache-size 20GB',
    '<%= config.bin %> deploy --property container-image=docker://example.com/tools:1',
    '<%= config.bin %> deploy --port 6000',
    '<%= config.bin %> deploy --access team',
    '<%= config.bin %> deploy --worker-image docker://debian:13 --sandbox on',
    '<%= config.bin %> deploy --config deployment.yaml',
    '<%= config.bin %> deploy --driver kind --diff',
    '<%= config.bin %> deploy --driver kind --render objects --image registry.example.com/native:1',
  ]
  static override flags = {
    ...clusterFlags,
    workers: Flags.integer({ summary: 'number of workers', min: 0, max: 256 }),
    slots: Flags.integer({ summary: 'number of actions that each worker runs at the same time', min: 1, max: 1024 }),
    'cache-size': Flags.string({ summary: 'maximum size of the cache, such as 20GB or 512MiB' }),
    property: Flags.string({
      summary: 'a further platform property that the workers offer, as key=value; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
    }),
    port: Flags.integer({
      summary: "the cache's port on 127.0.0.1; the scheduler has the next one. Kept until down",
      min: 1,
      max: 65_535,
    }),
    'scheduler-port': Flags.integer({
      summary: "the scheduler's port, where it is not the next one",
      min: 1,
      max: 65_535,
    }),
    private: Flags.boolean({
      summary: 'accept connections only from this user and from root; the default for root on Linux',
      allowNo: true,
    }),
    sandbox: Flags.option({
      summary:
        "what actions can see of this machine. on: only their inputs and the machine's programs, and actions do not run without a sandbox; auto: the same if this machine allows a sandbox; off: everything that you can see. auto is the default; on macOS it has no sandbox, and on has one that is unproven",
      options: ['auto', 'on', 'off'] as const,
    })(),
    console: Flags.boolean({
      summary: 'run a console, which remembers what was built (native builds); the default',
      allowNo: true,
    }),
    listen: Flags.string({
      summary:
        'the address that the cache and the scheduler listen on; 0.0.0.0 for all addresses of this machine. Kept until down',
    }),
    tls: Flags.option({
      summary: 'serve with TLS: auto creates a certificate authority and certificates, and renews them',
      options: ['auto', 'off'] as const,
    })(),
    'tls-cert': Flags.file({
      summary: 'serve with TLS and this certificate (PEM), followed by any intermediate certificates',
      dependsOn: ['tls-key'],
      exclusive: ['tls'],
    }),
    'tls-key': Flags.file({ summary: 'its private key (PEM)', dependsOn: ['tls-cert'] }),
    'tls-client-ca': Flags.file({
      summary: 'serve with TLS, and accept only clients with a certificate from this authority (PEM)',
    }),
    'tls-host': Flags.string({
      summary:
        "a name or address that clients use, if it is not this machine's own, for the certificates of --tls auto; may be repeated",
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['tls-cert'],
    }),
    insecure: Flags.boolean({
      summary: 'listen beyond this machine even without TLS or access control',
      allowNo: true,
    }),
    access: Flags.option({
      summary:
        'who may use the cluster. none: anyone who can connect (the default); team: anyone with a token from `token create`',
      options: ['none', 'team'] as const,
    })(),
    config: Flags.file({ summary: 'a YAML file with these and more settings' }),
    image: Flags.string({
      summary: 'a published image for the cache and the scheduler, in place of one built here',
      ...objects,
    }),
    'worker-image': Flags.string({
      summary:
        "the image whose programs the actions run with, in place of this machine's, such as docker://debian:13; none takes it back. With --driver kind, a published image for the workers, by default that of --image",
    }),
    'insecure-ignore-signature': Flags.boolean({
      summary: 'deploy published images without verifying their signatures',
      dependsOn: ['image'],
      ...objects,
    }),
    base: Flags.string({
      summary: 'another base image than the one in the definition; written as for image copy',
      exclusive: ['image'],
      ...objects,
    }),
    'worker-base': Flags.string({ summary: 'the same for the image of the workers', exclusive: ['image'], ...objects }),
    only: Flags.option({
      summary: 'deploy one half only: operations (namespace, volume, Gateways) or application (the servers)',
      options: ['operations', 'application'] as const,
      ...objects,
    })(),
    diff: Flags.boolean({ summary: 'show what would change, without changing it', exclusive: ['render'], ...objects }),
    render: Flags.directory({
      summary: 'write the Kubernetes objects to a folder for `kubectl apply -k` instead of deploying them',
      ...objects,
    }),
    gateway: Flags.option({
      summary: 'the Gateway controller that the written objects are for; cilium by default',
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
    else if (flags.only === 'operations') this.printWrapped(`Next: ${this.config.bin} deploy --only application`)
    else this.print(addressLines(await driver.addresses()))
  }

  /** Writes the deployment's objects; needs no cluster. */
  private async render(folder: string, flags: RenderFlags): Promise<void> {
    const driver = await this.openDriver(flags, 'render')
    const { gateway } = flags
    const steps = driver.render({ ...deployOptionsOf(flags), folder, ...(gateway !== undefined && { gateway }) })
    await this.runSteps(steps, flags)
    if (flags.json) this.printJson({ folder })
  }
}

/** The flags that --render combines with. */
interface RenderFlags extends ClusterFlags, DeployFlags {
  readonly json: boolean
  readonly gateway?: GatewayProfile | undefined
}
