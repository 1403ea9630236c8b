import type { Clock } from '../../core/clock.ts'
import type { GatewayProfile } from '../driver.ts'
import type { Images } from '../manifest/request.ts'
import type { Surroundings } from '../process/paths.ts'
import type { Machine } from '../process/render.ts'
import type { KindPaths } from './paths.ts'

/** All that the kind driver knows of the world around it. */
export interface KindContext {
  readonly paths: KindPaths
  readonly surroundings: Surroundings
  readonly machine: Machine
  readonly clock: Clock
  readonly release: string
  readonly settings: KindSettings
  /** The folder of templates/. */
  readonly templates: string
}

/** What a user may choose of the cluster. */
export interface KindSettings {
  readonly profile: GatewayProfile
  readonly nodes: number
  readonly nodeImage?: string
  /** Files or addresses of the controllers' own objects, in the order in which they go in. */
  readonly controllers: readonly string[]
  /** Archives (docker save) whose images the nodes are given. */
  readonly archives: readonly ImageArchive[]
  readonly images?: Images
}

export interface ImageArchive {
  readonly file: string
  /** What is in it: it is loaded unless a node has all of these. */
  readonly names: readonly string[]
}
