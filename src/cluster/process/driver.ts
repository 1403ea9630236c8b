import { Failure } from '../../core/failure.ts'
import type { Driver } from '../driver.ts'
import type { ProcessContext } from './context.ts'
import { deploySteps } from './deploy.ts'
import { downSteps } from './down.ts'
import { assertNothingOfNodes } from './foreign.ts'
import { clusterLogs } from './logs.ts'
import { clusterAddresses, clusterStatus } from './status.ts'
import { upSteps } from './up.ts'

/** The cluster as child processes of a supervisor on this machine. */
export function createProcessDriver(context: ProcessContext): Driver {
  return {
    kind: 'process',
    up(options) {
      assertNothingOfNodes(options)
      return upSteps(context, options)
    },
    deploy(options) {
      assertNothingOfNodes(options)
      return deploySteps(context, options)
    },
    async diff() {
      throw new Failure('unimplemented', 'servers that are processes of this machine have no objects to compare', {
        where: '--diff',
        next: ['`native status` shows what runs.'],
      })
    },
    down: (options) => downSteps(context, options),
    status: () => clusterStatus(context),
    addresses: () => clusterAddresses(context),
    logs: (options) => clusterLogs(context, options),
  }
}
