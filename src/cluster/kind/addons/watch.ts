import { awaitRollout, type RolloutOptions } from '../../kubernetes/rollout.ts'
import type { TroubleOptions } from '../../kubernetes/trouble.ts'
import type { KindContext } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'

/** They come from the internet, and some exit until a certificate or the like is there. */
const patience: TroubleOptions = {
  restartsMax: 5,
  imageGraceMs: 60_000,
  imageNext:
    'Where nodes cannot pull it, `native up --image-archive FILE` gives it to them, or `--registry-mirror HOST=URL` names another registry.',
}

/**
 * Waits until the controllers in these namespaces run.
 * @throws Failure as awaitRollout does
 */
export async function watchControllers(
  context: KindContext,
  options: Omit<RolloutOptions, keyof TroubleOptions>,
): Promise<void> {
  await awaitRollout(await kubernetesOf(context, options.report), { ...patience, ...options })
}
