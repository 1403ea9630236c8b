import type { StepReport } from '../driver.ts'
import type { Pod } from '../kubernetes/pods.ts'
import { awaitRollout } from '../kubernetes/rollout.ts'
import type { KindContext } from './context.ts'
import { kubernetesOf } from './kubernetes.ts'

export interface WatchOptions {
  readonly namespaces: readonly string[]
  readonly msMax: number
  readonly report: StepReport
  /** Pods of an older form go by themselves, whatever ails them. */
  counts?(pod: Pod): boolean
}

/** They come from the internet, and some end until a certificate or another is there. */
const controllers = {
  restartsMax: 5,
  imageGraceMs: 60_000,
  imageNext:
    'Where nodes cannot pull it, `native up --image-archive FILE` gives it to them, or `--registry-mirror HOST=URL` names another registry.',
} as const
/** They wait for each other by themselves, and their images are in a registry of this machine. */
const servers = {
  restartsMax: 1,
  imageGraceMs: 0,
  imageNext:
    "Nodes pull it from the cluster's registry, where `native deploy` puts what it builds and `native image copy SOURCE kind:` any other; one that `images:` of kind.yaml names has to be had by the nodes: `native up --image-archive FILE` gives it to them.",
} as const

/**
 * Waits until the controllers in these namespaces run.
 * @throws Failure as awaitRollout does
 */
export async function watchPods(context: KindContext, options: WatchOptions): Promise<void> {
  await awaitRollout(await kubernetesOf(context, options.report), { ...controllers, ...options })
}

/** The same for our own servers, which have fewer excuses. */
export async function watchServers(context: KindContext, options: WatchOptions): Promise<void> {
  await awaitRollout(await kubernetesOf(context, options.report), { ...servers, ...options })
}
