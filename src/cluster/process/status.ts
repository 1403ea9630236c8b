import type { ServerProcess, SupervisorStatus } from '../../config/supervisor.ts'
import { Failure } from '../../core/failure.ts'
import type { Addresses, ClusterState, ClusterStatus, ServerStatus } from '../driver.ts'
import { assertAllAnswer, assertAnswers } from './answers.ts'
import type { ProcessContext } from './context.ts'
import { holderOf } from './lock.ts'
import { loopback } from './ports.ts'
import { type ClusterMemory, readMemory } from './state.ts'
import { supervisorStatusAt } from './supervisor.ts'
import { serverNoun } from './words.ts'

const probeMsMax = 3_000

/** What the cluster is like now; every server is asked. */
export async function clusterStatus(context: ProcessContext): Promise<ClusterStatus> {
  const { paths } = context
  const memory = await readMemory(paths)
  const supervisor = await supervisorStatusAt(paths.socket)
  const without = (state: ClusterState, problems: readonly string[]): ClusterStatus => ({
    name: paths.name,
    driver: 'process',
    state,
    servers: [],
    addresses: null,
    problems,
  })
  if (!memory || !supervisor) {
    const holder = await holderOf(paths.lock)
    if (holder !== undefined) return without('creating', [`process ${holder} is at work on it`])
    if (!memory) return without('absent', [])
    return without('failed', ['the supervisor does not run; `native up` mends it'])
  }
  const servers = await Promise.all(supervisor.servers.map(serverStatus))
  const problems = servers.filter(({ state }) => state !== 'ready').map((server) => problemOf(server, supervisor))
  const deployed = supervisor.desired.length > 0
  return {
    name: paths.name,
    driver: 'process',
    state: stateOf(deployed, problems),
    servers,
    addresses: deployed ? addressesOf(memory) : null,
    problems,
  }
}

/**
 * The addresses that clients use, each of which answers now.
 * @throws Failure 'not-found', 'unavailable'
 */
export async function clusterAddresses(context: ProcessContext): Promise<Addresses> {
  const { paths } = context
  const memory = await readMemory(paths)
  if (!memory) throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next: [deployFirst] })
  if (!memory.deployment)
    throw new Failure('not-found', `nothing is deployed on cluster "${paths.name}"`, { next: [deployFirst] })
  const addresses = addressesOf(memory)
  await assertAllAnswer(
    addresses,
    'Run `native status` to see why; `native up` mends a cluster whose supervisor is gone.',
  )
  return addresses
}

const deployFirst = 'Run `native deploy` first: it brings up what is not there.'

function addressesOf({ ports }: ClusterMemory): Addresses {
  const endpoint = (port: number | undefined) => ({ address: `${loopback}:${port}`, url: `grpc://${loopback}:${port}` })
  return { cache: endpoint(ports['cas']), scheduler: endpoint(ports['scheduler']) }
}

function stateOf(deployed: boolean, problems: readonly string[]): ClusterState {
  if (!deployed) return 'up'
  return problems.length === 0 ? 'deployed' : 'degraded'
}

async function serverStatus(server: ServerProcess): Promise<ServerStatus> {
  const { spec, pid, restarts, since } = server
  return {
    name: spec.name,
    role: spec.role,
    state: await serverState(server),
    address: spec.address,
    metrics: spec.metrics,
    id: pid === null ? null : String(pid),
    restarts,
    since,
  }
}

async function serverState({ spec, state }: ServerProcess): Promise<ServerStatus['state']> {
  if (state === 'waiting') return 'crashed'
  if (state === 'draining' || state === 'stopped') return state
  return state === 'running' && (await isReady(spec.address, spec.metrics)) ? 'ready' : 'starting'
}

/** A server for clients answers GetCapabilities; a worker has no such door and answers on /healthz. */
async function isReady(address: string | null, metrics: string | null): Promise<boolean> {
  try {
    if (address !== null) await assertAnswers(`grpc://${address}`)
    else if (metrics !== null)
      return (await fetch(`http://${metrics}/healthz`, { signal: AbortSignal.timeout(probeMsMax) })).ok
    return true
  } catch (error) {
    // fetch says no more than that it failed: a TypeError, or the time-out's DOMException.
    if (error instanceof Failure || error instanceof TypeError || error instanceof DOMException) return false
    throw error
  }
}

function problemOf({ name, state }: ServerStatus, { servers }: SupervisorStatus): string {
  const lastEnd = servers.find(({ spec }) => spec.name === name)?.lastEnd
  const words: Readonly<Record<string, string>> = {
    crashed: `ended (${lastEnd ?? 'for no known reason'}) and is started again after a pause`,
    starting: 'does not answer yet',
    draining: 'drains',
    stopped: 'is stopped',
  }
  return `${serverNoun(name)} ${words[state] ?? state}`
}
