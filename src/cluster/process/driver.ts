import { arch, availableParallelism, platform } from 'node:os'
import { systemClock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import type { Driver } from '../driver.ts'
import type { OpenOptions } from '../open-options.ts'
import { processChecks } from './checks.ts'
import type { ProcessContext } from './context.ts'
import { deploySteps } from './deploy.ts'
import { downSteps } from './down.ts'
import { meetingPlace } from './invite.ts'
import { joinSteps } from './joined/join.ts'
import { leaveSteps } from './joined/leave.ts'
import { tokensOf } from './login.ts'
import { clusterLogs } from './logs.ts'
import { clusterPaths } from './paths.ts'
import { clusterAddresses, clusterStatus } from './status.ts'
import { upSteps } from './up.ts'

/** The cluster as child processes of a supervisor on this machine. */
export function openProcessDriver(options: OpenOptions): Driver {
  const context: ProcessContext = {
    paths: clusterPaths(options.name, options),
    user: options,
    machine: { platform: platform(), arch: arch(), cpus: availableParallelism() },
    clock: systemClock,
    program: options.program,
    release: options.release,
  }
  return {
    kind: 'process',
    up: (each) => upSteps(context, each),
    deploy: (each) => deploySteps(context, each),
    async diff() {
      throw withoutObjects('--diff')
    },
    render() {
      throw withoutObjects('--render')
    },
    down: (each) => downSteps(context, each),
    status: () => clusterStatus(context),
    addresses: () => clusterAddresses(context),
    async openPage() {
      const { console } = await clusterAddresses(context)
      if (!console) throw new Failure('precondition', 'this cluster has no console')
      return { url: `http://${console.address}` }
    },
    logs: (each) => clusterLogs(context, each),
    tokens: () => tokensOf(context),
    meetingPlace: (host) => meetingPlace(context, host),
    join: (each) => joinSteps(context, each),
    leave: () => leaveSteps(context),
    checks: (status) => processChecks(context, status),
  }
}

function withoutObjects(flag: string): Failure {
  return new Failure('unimplemented', 'servers that are processes of this machine have no Kubernetes objects', {
    where: flag,
    next: ['Use --driver kind as well; `native status` shows what runs here.'],
  })
}
