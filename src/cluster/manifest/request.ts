import type { Deployment } from '../../config/deployment.ts'
import type { GatewayProfile } from '../options.ts'
import type { Machine } from '../shared/machine.ts'
import type { AddressPool } from './pool.ts'

/** Everything that determines the objects; the same request gives the same bytes. */
export interface ManifestRequest {
  /** The namespace of all namespaced objects. */
  readonly namespace: string
  readonly deployment: Deployment
  /** The nodes' operating system and processors. */
  readonly machine: Machine
  readonly images: Images
  readonly profile: GatewayProfile
  /** Absent where the cluster provides addresses itself. */
  readonly pool?: AddressPool
  /** The Gateways are also reached through node ports (published.ts). */
  readonly published?: boolean
  /** The release of `native`; another one restarts the servers. */
  readonly release: string
  /** A fingerprint of the Secret; another one restarts the servers. Absent when it is not known. */
  readonly secretPrint?: string
}

/** Full names of images, by tag or, better, by digest. */
export interface Images {
  /** For cache and scheduler. */
  readonly server: string
  /** For workers: has a shell and the tools that actions call. */
  readonly worker: string
}
