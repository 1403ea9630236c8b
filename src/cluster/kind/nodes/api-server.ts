import type { StepReport } from '../../driver.ts'
import { connectKubernetes, type Kubernetes } from '../../kubernetes/connect.ts'
import type { KindContext } from '../context.ts'
import { contextName } from '../docker/programs.ts'

/** After a restart by docker, a node's API server is back after some 10 s, on a busy machine after 60. */
const patienceMsMax = 90_000

/** The cluster's API server. A step waits a while for one that is away, and says so; `status` or `ips` fail at once. */
export function kubernetesOf(
  context: Pick<KindContext, 'paths' | 'user' | 'clock'>,
  report?: Pick<StepReport, 'say'>,
): Promise<Kubernetes> {
  const { paths, clock } = context
  const patience = report ? { msMax: patienceMsMax, say: report.say } : { msMax: 0 }
  return connectKubernetes({ kubeconfig: paths.kubeconfig, context: contextName(context), clock, patience })
}
