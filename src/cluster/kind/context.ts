import type { Clock } from '../../core/clock.ts'
import type { UserContext } from '../../host/user-folders.ts'
import type { Images } from '../manifest/request.ts'
import type { ImageVerifier } from '../open-options.ts'
import type { GatewayProfile } from '../options.ts'
import type { Machine } from '../shared/machine.ts'
import type { KindPaths } from './paths.ts'

/** All that the kind driver knows of the world around it. */
export interface KindContext {
  readonly paths: KindPaths
  readonly user: UserContext
  readonly machine: Machine
  readonly clock: Clock
  readonly release: string
  readonly settings: KindSettings
  /** The folder of templates/. */
  readonly templates: string
  /** Where the user stands: relative files are from here, and a checkout there is what is built. */
  readonly cwd: string
  /** How a published image is judged; absent where nothing can. */
  readonly verify?: ImageVerifier
}

/** The servers' namespace. */
export function namespaceOf({ paths }: Pick<KindContext, 'paths'>): string {
  return paths.name
}

/** What calling a program of this cluster takes. */
export type ProgramContext = Pick<KindContext, 'paths' | 'user'>

/** What a user's settings file says of kind clusters; flags of `up` and `deploy` come before it. */
export interface KindSettings {
  readonly profile: GatewayProfile
  readonly nodes: number
  readonly nodeImage?: string
  /** What the cluster's own registry runs. */
  readonly registryImage: string
  /** Files or addresses of each profile's objects, in the order in which they go in; absent, the usual ones. */
  readonly controllers: Readonly<Partial<Record<GatewayProfile, readonly string[]>>>
  /** cilium's chart: a file or an address that helm takes; absent, the published one. */
  readonly chart?: string
  /** Archives (docker save) for machines that cannot pull: for the nodes, the docker daemon, or both. */
  readonly archives: readonly ImageArchive[]
  /** `HOST=URL`, as `--registry-mirror` takes it. */
  readonly mirrors: readonly string[]
  /** What runs the servers, where it is neither built nor published. */
  readonly images?: Images
  /** What ours are built on, where it is not what their definitions say; places as `image copy --base` takes them. */
  readonly bases: Bases
  /** Trust policies of the user's own, before those that come with `native`. */
  readonly policies: readonly string[]
  /** `host/repository` patterns of published images that are taken without a signature. */
  readonly unverified: readonly string[]
}

export interface Bases {
  readonly server?: string | undefined
  readonly worker?: string | undefined
}

export interface ImageArchive {
  readonly file: string
  /** What is in it; absent, it is read from the archive. It is loaded unless all of these are there. */
  readonly names?: readonly string[] | undefined
}
