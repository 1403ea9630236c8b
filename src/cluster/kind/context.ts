import type { Clock } from '../../core/clock.ts'
import type { UserContext } from '../../host/user-folders.ts'
import type { Images } from '../manifest/request.ts'
import type { ImageVerifier } from '../open-options.ts'
import type { GatewayProfile } from '../options.ts'
import type { Machine } from '../shared/machine.ts'
import type { KindPaths } from './paths.ts'

/** Everything that the kind driver knows about its surroundings. */
export interface KindContext {
  readonly paths: KindPaths
  readonly user: UserContext
  readonly machine: Machine
  readonly clock: Clock
  readonly release: string
  readonly settings: KindSettings
  /** The folder of templates/. */
  readonly templates: string
  /** The user's current folder: relative paths are resolved against it, and a checkout there is what is built. */
  readonly cwd: string
  /** How a published image is verified; absent where nothing can do so. */
  readonly verify?: ImageVerifier
}

/** The servers' namespace. */
export function namespaceOf({ paths }: Pick<KindContext, 'paths'>): string {
  return paths.name
}

/** What is needed to call a program for this cluster. */
export type ProgramContext = Pick<KindContext, 'paths' | 'user'>

/** A user's settings for kind clusters; flags of `up` and `deploy` take precedence. */
export interface KindSettings {
  readonly profile: GatewayProfile
  readonly nodes: number
  readonly nodeImage?: string
  /** The image of the cluster's own registry. */
  readonly registryImage: string
  /** Files or addresses of each profile's objects, in the order of application; absent, the usual ones. */
  readonly controllers: Readonly<Partial<Record<GatewayProfile, readonly string[]>>>
  /** cilium's chart: a file or an address that helm takes; absent, the published one. */
  readonly chart?: string
  /** Archives (docker save) for machines that cannot pull: for the nodes, the docker daemon, or both. */
  readonly archives: readonly ImageArchive[]
  /** `HOST=URL`, as `--registry-mirror` takes it. */
  readonly mirrors: readonly string[]
  /** The servers' images, where they are neither built nor published. */
  readonly images?: Images
  /** The base images of ours, where they differ from the definitions'; places as `image copy --base` takes them. */
  readonly bases: Bases
  /** Trust policies of the user's own, before those that come with `native`. */
  readonly policies: readonly string[]
  /** `host/repository` patterns of published images that are accepted without a signature. */
  readonly unverified: readonly string[]
}

export interface Bases {
  readonly server?: string | undefined
  readonly worker?: string | undefined
}

export interface ImageArchive {
  readonly file: string
  /** The images in it; if absent, read from the archive. It is loaded unless all of these are there. */
  readonly names?: readonly string[] | undefined
}
