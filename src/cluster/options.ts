import type { PlatformProperty } from '../core/platform.ts'

/** The options of each operation. A driver supports a part of these (declaration.ts) and never gets the rest. */
export interface Operations {
  readonly up: UpOptions
  readonly deploy: DeployOptions
  readonly render: RenderOptions
  readonly down: DownOptions
  readonly join: JoinOptions
}

export interface UpOptions {
  /** Keep what was made when a step fails, for inspection. */
  readonly retain: boolean
  readonly nodes?: number
  /** The image of the nodes; excludes kubernetesVersion. */
  readonly nodeImage?: string
  /** Like 1.34 or 1.34.4: selects the nodes' image of that release. */
  readonly kubernetesVersion?: string
  readonly gateway?: GatewayProfile
  /** Archives made by `docker save`, whose images are loaded into the nodes. */
  readonly imageArchives?: readonly string[]
  /** `HOST=URL`: where nodes find the images of HOST. */
  readonly registryMirrors?: readonly string[]
  /** Publish the Gateways on ports of 127.0.0.1; by default where containers cannot be reached. */
  readonly publish?: boolean
  /** Start whenever the user logs in (true), or no longer (false). */
  readonly atLogin?: boolean
}

/** What provides addresses and Gateways in a cluster of nodes. */
export type GatewayProfile = 'cilium' | 'envoy'

export interface DeployOptions {
  readonly workers?: number
  readonly slots?: number
  readonly cacheSizeBytes?: number
  readonly properties?: readonly PlatformProperty[]
  /** The cache's port. */
  readonly port?: number
  /** The next port after the cache's when absent. */
  readonly schedulerPort?: number
  /** Admit only this user, and root. */
  readonly private?: boolean
  /** Whether actions run in a sandbox: always (on), where one can be made (auto), or never. */
  readonly sandbox?: 'auto' | 'on' | 'off'
  /** Run a console, which remembers what was built. */
  readonly console?: boolean
  /** The address that cache and scheduler listen on. */
  readonly listen?: string
  readonly tls?: 'auto' | 'off'
  /** Files (PEM): the servers' certificate and its key; the authority of clients' certificates. */
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
  /** Names and addresses that the servers' own certificates are for, besides this machine's. */
  readonly tlsHosts?: readonly string[]
  /** Listen beyond the loopback without protection against strangers. */
  readonly insecure?: boolean
  /** team: clients need a token; none: they do not. */
  readonly access?: 'none' | 'team'
  /** A YAML file with any of the above and server settings (config/deployment.ts). */
  readonly configFile?: string
  /** Published images, as docker writes their names; absent, ours are built. */
  readonly image?: string
  /** Of workers; `image` when absent. */
  readonly workerImage?: string
  /** Base images other than those of the definitions, as `image copy --base` takes them. */
  readonly base?: string
  readonly workerBase?: string
  /** Accept published images even though nothing says that their signatures are good. */
  readonly insecureIgnoreSignature?: boolean
  /** One half of a deployment only. */
  readonly only?: 'operations' | 'application'
}

/** A deployment that is written to files instead of being run. */
export interface RenderOptions extends DeployOptions {
  /** The folder for the files; created if absent. */
  readonly folder: string
  /** The Gateway implementation that they are for; cilium by default. */
  readonly gateway?: GatewayProfile
}

export interface DownOptions {
  /** Keep the cached data, remove the rest. */
  readonly keepData?: boolean
}

/** The options with which a machine becomes a worker in another one's cluster. */
export interface JoinOptions {
  /** `grpcs://host:port` of the scheduler. */
  readonly url: string
  readonly token: string
  /**
   * The fingerprint of the certificate to trust, as `native invite` prints it; the system's authorities when absent.
   */
  readonly fingerprint?: string
  /**
   * Absolute paths of PEM files: the certificate that this machine shows where clients have to show one, and its key.
   */
  readonly tlsCert?: string
  readonly tlsKey?: string
  /** The worker's name in that cluster; this machine's name when absent. */
  readonly worker?: string
  readonly slots?: number
  readonly properties?: readonly PlatformProperty[]
  readonly sandbox?: 'auto' | 'on' | 'off'
}

const deployFlags: Readonly<Record<keyof DeployOptions, string>> = {
  workers: '--workers',
  slots: '--slots',
  cacheSizeBytes: '--cache-size',
  properties: '--property',
  port: '--port',
  schedulerPort: '--scheduler-port',
  private: '--private',
  sandbox: '--sandbox',
  console: '--console',
  listen: '--listen',
  tls: '--tls',
  tlsCert: '--tls-cert',
  tlsKey: '--tls-key',
  tlsClientCa: '--tls-client-ca',
  tlsHosts: '--tls-host',
  insecure: '--insecure',
  access: '--access',
  configFile: '--config',
  image: '--image',
  workerImage: '--worker-image',
  base: '--base',
  workerBase: '--worker-base',
  insecureIgnoreSignature: '--insecure-ignore-signature',
  only: '--only',
}

/** The flag of each option of an operation, for errors. */
export const flagsOf: { readonly [O in keyof Operations]: Readonly<Record<keyof Operations[O], string>> } = {
  up: {
    retain: '--retain',
    nodes: '--nodes',
    nodeImage: '--image',
    kubernetesVersion: '--kubernetes-version',
    gateway: '--gateway',
    imageArchives: '--image-archive',
    registryMirrors: '--registry-mirror',
    publish: '--publish',
    atLogin: '--at-login',
  },
  deploy: deployFlags,
  render: { ...deployFlags, folder: '--render', gateway: '--gateway' },
  down: { keepData: '--keep-data' },
  join: {
    url: 'ADDRESS',
    token: '--token',
    fingerprint: '--ca',
    tlsCert: '--tls-cert',
    tlsKey: '--tls-key',
    worker: '--worker',
    slots: '--slots',
    properties: '--property',
    sandbox: '--sandbox',
  },
}
