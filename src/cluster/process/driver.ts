import type { Driver } from '../driver.ts'
import type { ProcessContext } from './context.ts'
import { deploySteps } from './deploy.ts'
import { downSteps } from './down.ts'
import { clusterLogs } from './logs.ts'
import { clusterAddresses, clusterStatus } from './status.ts'
import { upSteps } from './up.ts'

/** The cluster as child processes of a supervisor on this machine. */
export function createProcessDriver(context: ProcessContext): Driver {
  return {
    kind: 'process',
    up: (options) => upSteps(context, options),
    deploy: (options) => deploySteps(context, options),
    down: (options) => downSteps(context, options),
    status: () => clusterStatus(context),
    addresses: () => clusterAddresses(context),
    logs: (options) => clusterLogs(context, options),
  }
}
