import { awaitRollout, type RolloutOptions } from '../../kubernetes/rollout.ts'
import type { TroubleOptions } from '../../kubernetes/trouble.ts'
import type { KindContext } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'

/** They wait for each other by themselves, and their images are in a registry of this machine. */
const patience: TroubleOptions = {
  restartsMax: 1,
  imageGraceMs: 0,
  imageNext:
    "Nodes pull it from the cluster's registry, where `native deploy` puts what it builds and `native image copy SOURCE kind:` any other; one that `images:` of kind.yaml names has to be had by the nodes: `native up --image-archive FILE` gives it to them.",
}

/**
 * Waits until our own servers run, which have fewer excuses than the controllers.
 * @throws Failure as awaitRollout does
 */
export async function watchServers(
  context: KindContext,
  options: Omit<RolloutOptions, keyof TroubleOptions>,
): Promise<void> {
  await awaitRollout(await kubernetesOf(context, options.report), { ...patience, ...options })
}
