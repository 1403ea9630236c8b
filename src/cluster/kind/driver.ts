import type { Driver } from '../driver.ts'
import type { KindContext } from './context.ts'
import { deploySteps } from './deploy.ts'
import { diffDeployment } from './diff.ts'
import { downSteps } from './down.ts'
import { clusterLogs } from './logs.ts'
import { clusterAddresses, clusterStatus } from './status.ts'
import { upSteps } from './up.ts'

/** The cluster as containers of this machine's docker, made by kind. */
export function createKindDriver(context: KindContext): Driver {
  return {
    kind: 'kind',
    up: (options) => upSteps(context, options),
    deploy: (options) => deploySteps(context, options),
    diff: (options) => diffDeployment(context, options),
    down: (options) => downSteps(context, options),
    status: () => clusterStatus(context),
    addresses: () => clusterAddresses(context),
    logs: (options) => clusterLogs(context, options),
  }
}
