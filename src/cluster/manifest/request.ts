import type { Deployment } from '../../config/deployment.ts'
import type { GatewayProfile } from '../options.ts'
import type { Machine } from '../shared/machine.ts'
import type { AddressPool } from './pool.ts'

/** All that the objects follow from; the same request gives the same bytes. */
export interface ManifestRequest {
  /** Of everything that is namespaced. */
  readonly namespace: string
  readonly deployment: Deployment
  /** The nodes' system and processors. */
  readonly machine: Machine
  readonly images: Images
  readonly profile: GatewayProfile
  /** Absent where the cluster has addresses of its own to give. */
  readonly pool?: AddressPool
  /** The Gateways are reached through ports of a node as well (published.ts). */
  readonly published?: boolean
  /** The release of `native`; another one restarts the servers. */
  readonly release: string
  /** Another one restarts the servers: their Secret is not the same. Absent where nobody knows it. */
  readonly secretPrint?: string
}

/** Full names of images, by tag or, better, by digest. */
export interface Images {
  /** Of cache and scheduler. */
  readonly server: string
  /** Of workers: has a shell and the tools that actions call. */
  readonly worker: string
}
