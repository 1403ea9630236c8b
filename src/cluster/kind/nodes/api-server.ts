import type { StepReport } from '../../driver.ts'
import { connectKubernetes, type Kubernetes } from '../../kubernetes/connect.ts'
import type { KindContext } from '../context.ts'
import { contextName } from '../docker/programs.ts'

/** A node that docker restarts has its API server again after some 10 s, on a busy machine after 60. */
const patienceMsMax = 90_000

/**
 * The cluster's API server. A step waits for one that is away for a while, and says so; a question
 * of `status` or `ips` gets no for an answer at once.
 */
export function kubernetesOf(
  context: Pick<KindContext, 'paths' | 'user' | 'clock'>,
  report?: Pick<StepReport, 'say'>,
): Promise<Kubernetes> {
  const { paths, clock } = context
  const patience = report ? { msMax: patienceMsMax, say: report.say } : { msMax: 0 }
  return connectKubernetes({ kubeconfig: paths.kubeconfig, context: contextName(context), clock, patience })
}
