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
const controllers = { restartsMax: 5, imageGraceMs: 60_000 } as const
/** They wait for each other by themselves, and their images are in a registry of this machine. */
const servers = { restartsMax: 1, imageGraceMs: 0 } as const

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
