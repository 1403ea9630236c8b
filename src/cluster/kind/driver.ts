import { arch, availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { systemClock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { configRootOf } from '../../host/user-folders.ts'
import type { Driver } from '../driver.ts'
import type { OpenOptions } from '../open-options.ts'
import type { KindContext } from './context.ts'
import { deploySteps } from './deploy.ts'
import { downSteps } from './down.ts'
import { clusterLogs } from './inspect/logs.ts'
import { openPage } from './inspect/open-page.ts'
import { clusterAddresses, clusterStatus } from './inspect/status.ts'
import { meetingPlace } from './invite.ts'
import { kindPaths } from './paths.ts'
import { compilerCheck } from './rollout/compiler-check.ts'
import { diffDeployment } from './rollout/diff.ts'
import { renderSteps } from './rollout/render.ts'
import { tokensOf } from './rollout/tokens.ts'
import { kindSettings } from './settings.ts'
import { upSteps } from './up.ts'

/**
 * The cluster as containers of this machine's docker, made by kind.
 * @throws Failure of the settings of kind clusters (settings.ts)
 */
export async function openKindDriver(options: OpenOptions): Promise<Driver> {
  const context: KindContext = {
    paths: kindPaths(options.name, options),
    user: options,
    // Nodes are containers: Linux, whatever this machine is.
    machine: { platform: 'linux', arch: arch(), cpus: availableParallelism() },
    clock: systemClock,
    release: options.release,
    cwd: options.cwd ?? process.cwd(),
    ...(options.verify && { verify: options.verify }),
    settings: await kindSettings(configRootOf(options)),
    templates: join(dirname(dirname(options.program.at(-1) ?? '')), 'templates'),
  }
  return {
    kind: 'kind',
    up: (each) => upSteps(context, each),
    deploy: (each) => deploySteps(context, each),
    diff: (each) => diffDeployment(context, each),
    render: (each) => renderSteps(context, each),
    down: () => downSteps(context),
    status: () => clusterStatus(context),
    addresses: () => clusterAddresses(context),
    openPage: (failed) => openPage(context, failed),
    logs: (each) => clusterLogs(context, each),
    tokens: () => tokensOf(context),
    meetingPlace: (host) => meetingPlace(context, host),
    join() {
      throw withoutMachines()
    },
    leave() {
      throw withoutMachines()
    },
    checks: (status) => [compilerCheck(status, options)],
  }
}

function withoutMachines(): Failure {
  return new Failure('unimplemented', 'a machine that works for a cluster runs its worker as a process, not in nodes', {
    next: ['Leave out --driver.'],
  })
}
