import { createHash } from 'node:crypto'
import { Failure } from '../../../core/failure.ts'
import { wait } from '../../../host/wait.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { annotatePod, listPods, type Pod } from '../../kubernetes/pods.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { isOf } from './servers.ts'

/** A kubelet watches Secrets and pods separately: the pod is annotated once more after both have arrived. */
const againMs = 1_000

/** What pods mount, and who has to have it soon. */
export interface News {
  /** Holds the print of what a pod was last told about. */
  readonly annotation: string
  /** The current text. */
  readonly text: string
  readonly servers: readonly Parameters<typeof isOf>[1][]
}

/**
 * Has changed Secrets brought to the pods that mount them. By itself a kubelet would do so within two minutes; for a pod
 * that changes it checks at once. A pod that was last told about something else, or nothing, is told whenever this is
 * called.
 */
export async function tellPods(
  context: Pick<KindContext, 'paths' | 'clock'>,
  kubernetes: Kubernetes,
  { annotation, text, servers }: News,
  signal?: AbortSignal,
): Promise<void> {
  const print = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const pods = await listPods(kubernetes, namespaceOf(context), signal)
  const untold = pods
    .filter((each) => servers.some((role) => isOf(each, role)))
    .filter(({ metadata }) => metadata.annotations?.[annotation] !== `${print}-again`)
  if (untold.length === 0) return
  await annotate(kubernetes, untold, { [annotation]: print }, signal)
  await wait(againMs, context.clock, signal)
  await annotate(kubernetes, untold, { [annotation]: `${print}-again` }, signal)
}

async function annotate(
  kubernetes: Kubernetes,
  pods: readonly Pod[],
  annotations: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  for (const pod of pods)
    await annotatePod(kubernetes, pod, annotations, signal).catch((error: unknown) => {
      // A pod that is gone has a successor, which starts with the current Secrets.
      if (!(error instanceof Failure && error.kind === 'not-found')) throw error
    })
}
