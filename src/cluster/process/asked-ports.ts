import { Failure } from '../../core/failure.ts'
import type { DeployOptions } from '../options.ts'
import { isFree, loopback, type Ports } from '../shared/ports.ts'
import { portsKept } from './kept.ts'
import type { ClusterPaths } from './paths.ts'
import { serverNoun } from './server-names.ts'
import { portsOfOthers, readMemory } from './state.ts'

const portMax = 65_535
/** Below this, most systems only let root listen. */
const unprivilegedMin = 1024

/**
 * The requested ports; the scheduler gets the one after the cache's unless its own is named.
 * @throws Failure 'invalid' when both are the same, or there is no next port
 */
export function askedPorts({ port, schedulerPort }: DeployOptions): Ports {
  const scheduler = schedulerPort ?? (port === undefined ? undefined : port + 1)
  if (scheduler !== undefined && scheduler > portMax)
    throw new Failure('invalid', `the scheduler would get port ${scheduler}, but the highest port is ${portMax}`, {
      where: '--port',
      next: ['Set its port with --scheduler-port, or use a lower --port.'],
    })
  if (port !== undefined && port === scheduler)
    throw new Failure('invalid', `cache and scheduler cannot both have port ${port}`, { where: '--scheduler-port' })
  return { ...(port !== undefined && { cas: port }), ...(scheduler !== undefined && { scheduler }) }
}

/**
 * Refuses ports that a server could not listen on now, before anything is changed.
 * @throws Failure 'exists'
 */
export async function assertPortsUsable(asked: Ports, paths: ClusterPaths): Promise<void> {
  if (Object.keys(asked).length === 0) return
  const own = (await readMemory(paths))?.ports ?? (await portsKept(paths))
  const others = await portsOfOthers(paths)
  for (const [use, port] of Object.entries(asked)) {
    if (own[use] === port) continue
    const owner = Object.entries(own).find((each) => each[1] === port)?.[0]
    if (owner !== undefined) throw taken(use, port, `${serverNoun(owner)} of this cluster has it`)
    if (others.has(port)) throw taken(use, port, 'another cluster of this user has it')
    if (!(await isFree(port)))
      throw taken(use, port, port < unprivilegedMin ? 'this user may not use it, or it is in use' : 'it is in use')
  }
}

function taken(use: string, port: number, why: string): Failure {
  return new Failure('exists', `${serverNoun(use)} cannot have port ${port}: ${why}`, {
    where: `${loopback}:${port}`,
    next: ['Choose another one with --port (the cache; the scheduler gets the next port) or --scheduler-port.'],
  })
}
