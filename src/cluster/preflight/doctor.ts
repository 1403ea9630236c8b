import { dataRootOf, type UserContext } from '../../host/user-folders.ts'
import type { Driver } from '../driver.ts'
import type { ClusterStatus } from '../status.ts'
import { type Check, failed, note, ok } from './check.ts'
import { diskCheck, inotifyCheck, nodeCheck, openFilesCheck, portCheck, systemCheck } from './machine.ts'
import { programCheck, programs } from './programs.ts'
import { macSandboxCheck, sandboxCheck } from './sandbox.ts'

/** The machine and the user that the checks look at. */
export interface DoctorContext {
  readonly platform: NodeJS.Platform
  readonly arch: string
  readonly nodeVersion: string
  readonly user: UserContext
  readonly cwd: string
}

const usualPorts = [50_051, 50_052]

/** Everything that `native doctor` looks at, in the order in which it is shown. */
export function doctorChecks(driver: Driver, context: DoctorContext): Check[] {
  const status = driver.status()
  // Several checks wait for it; it is enough that one of them sees it fail.
  status.catch(() => undefined)
  return [
    systemCheck(context.platform, context.arch),
    nodeCheck(context.nodeVersion),
    ...usualPorts.map((port) => portOf(port, status)),
    diskCheck(dataRootOf(context.user)),
    openFilesCheck(),
    ...(context.platform === 'linux' ? [inotifyCheck(), sandboxCheck()] : []),
    ...(context.platform === 'darwin' ? [macSandboxCheck()] : []),
    ...programs.map((facts) => programCheck(facts, context.user.env, context.cwd)),
    clusterCheck(status),
    ...driver.checks(status),
  ]
}

function portOf(port: number, status: Promise<ClusterStatus>): Check {
  return {
    title: `port ${port}`,
    run: async () => portCheck(port, portsOf(await status)).run(),
  }
}

function portsOf({ servers }: ClusterStatus): ReadonlySet<number> {
  return new Set(servers.map((server) => Number(server.address?.split(':').at(-1))))
}

function clusterCheck(status: Promise<ClusterStatus>): Check {
  return {
    title: 'cluster',
    async run() {
      const { name, state, problems, servers } = await status
      const flag = name === 'native' ? '' : ` --name ${name}`
      if (state === 'absent') return note(`there is no cluster "${name}"`, `"native deploy${flag}" makes one.`)
      if (state === 'creating') return note(`"${name}" is being brought up`, `"native status${flag}" tells when it is.`)
      if (state === 'up') return note(`"${name}" is up, but nothing is deployed`, `Run "native deploy${flag}".`)
      if (state === 'deployed') return ok(`"${name}": ${servers.length} servers answer`)
      return failed(
        `"${name}" is ${state}: ${problems.join('; ')}`,
        `"native logs${flag}" tells why; "native deploy${flag}" repairs what it can.`,
      )
    },
  }
}
