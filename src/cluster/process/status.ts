import { hasConsole } from '../../config/deployment.ts'
import { type SupervisorStatus, supervisorStatus } from '../../config/supervisor.ts'
import { Failure } from '../../core/failure.ts'
import { isThere } from '../../host/files.ts'
import { holderOf } from '../../host/process-lock.ts'
import { cacheUsageOf } from '../../telemetry/cache-usage.ts'
import type { Addresses } from '../addresses.ts'
import { emptyStatus } from '../shared/empty-status.ts'
import { authorizeAs } from '../shared/owners-login.ts'
import { loopback } from '../shared/ports.ts'
import { assertAllAnswer } from '../shared/readiness.ts'
import { readState } from '../shared/state-file.ts'
import { loadOf, sandboxedOf, versionOf, workerCachesOf } from '../shared/usage.ts'
import type { ClusterState, ClusterStatus, ServerStatus } from '../status.ts'
import { loginStart } from './at-login/state.ts'
import type { ProcessContext } from './context.ts'
import { addressesAt, doorOf } from './door.ts'
import { otherWorkers } from './other-workers.ts'
import type { ClusterPaths } from './paths.ts'
import { serverNoun } from './server-names.ts'
import { askServer, probeMsMax } from './server-status.ts'
import { type ClusterMemory, readMemory } from './state.ts'
import { hangingCure, supervisorStatusAt } from './supervisor-client.ts'

/**
 * The current status of the cluster; every server is asked. One that hangs, including the supervisor, is waited for no
 * longer than `probeMsMax`.
 */
export async function clusterStatus(context: ProcessContext): Promise<ClusterStatus> {
  const { paths } = context
  const version = versionOf(context.release)
  const [memory, atLogin] = await Promise.all([readMemory(paths), loginStart(context)])
  const { supervisor, hangs } = await supervisorNow(context)
  const without = (state: ClusterState, problems: readonly string[]): ClusterStatus =>
    emptyStatus({ name: paths.name, driver: 'process', version, atLogin, keptData: null }, state, problems)
  if (!memory || !supervisor) {
    const holder = await holderOf(paths.lock)
    if (holder !== undefined) return without('creating', [`process ${holder} is working on it`])
    if (!memory) return { ...without('absent', []), keptData: (await isThere(paths.data)) ? paths.data : null }
    return without('failed', [hangs ? hanging(undefined) : 'the supervisor does not run; `native up` repairs it'])
  }
  const door = doorOf(memory.deployment ?? {}, paths)
  const authorize = authorizeAs(context.user)
  const asked = await Promise.all(
    inDesiredOrder(supervisor).map((server) => askServer(server, version, door, authorize)),
  )
  const ailing = asked.filter(({ status }) => status.state !== 'ready')
  const problems = [
    ...(hangs ? [hanging(supervisor.pid)] : []),
    ...ailing.map(({ status }) => problemOf(status, supervisor)),
  ]
  const deployed = supervisor.desired.length > 0
  const { joined } = memory
  const samplesOf = (role: string) => asked.flatMap(({ status, samples }) => (status.role === role ? [samples] : []))
  return {
    ...without(stateOf(deployed, problems), problems),
    servers: asked.map(({ status }) => status),
    addresses: deployed && !joined ? await addressesOf(memory, paths) : null,
    joined: joined ?? null,
    otherWorkers: await otherWorkers(asked, door, authorize),
    cache: cacheUsageOf(samplesOf('cas')[0]),
    workerCaches: workerCachesOf(samplesOf('worker')),
    sandboxedWorkers: sandboxedOf(samplesOf('worker')),
    load: loadOf(samplesOf('scheduler')[0]),
  }
}

const hanging = (pid: number | undefined) =>
  `the supervisor does not answer, and what it wrote last is shown; ${hangingCure(pid)}`

/** In the order of deployment, whichever started first; those to be removed come last. */
function inDesiredOrder({ desired, servers }: SupervisorStatus): SupervisorStatus['servers'] {
  const places = new Map(desired.map(({ name }, at) => [name, at]))
  const placeOf = (name: string) => places.get(name) ?? desired.length
  return servers.toSorted((a, b) => placeOf(a.spec.name) - placeOf(b.spec.name))
}

/** What the supervisor reports; if it hangs, what it recorded at the last change. */
async function supervisorNow({
  paths,
}: ProcessContext): Promise<{ supervisor: SupervisorStatus | undefined; hangs: boolean }> {
  const patience = AbortSignal.timeout(probeMsMax)
  try {
    return { supervisor: await supervisorStatusAt(paths, patience), hangs: false }
  } catch (error) {
    if (!patience.aborted) throw error
    return { supervisor: await readState(paths.supervisorRecord, supervisorStatus), hangs: true }
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
  if (memory.joined)
    throw new Failure('not-found', `"${paths.name}" is a worker for ${memory.joined.scheduler}, not a cluster`, {
      next: [`To build there, run \`native login ${memory.joined.scheduler}\` with your own token.`],
    })
  if (!memory.deployment)
    throw new Failure('not-found', `nothing is deployed on cluster "${paths.name}"`, { next: [deployFirst] })
  const addresses = await addressesOf(memory, paths)
  await assertAllAnswer(
    addresses,
    'Run `native status` to see why; `native up` repairs a cluster whose supervisor is gone.',
    authorizeAs(context.user),
  )
  return addresses
}

const deployFirst = 'Run `native deploy` first: it brings up what is not there.'

async function addressesOf({ ports, deployment }: ClusterMemory, paths: ClusterPaths): Promise<Addresses> {
  // The console stays on the loopback, without TLS.
  const console = `${loopback}:${ports['console']}`
  return {
    ...(await addressesAt(deployment ?? {}, paths, ports)),
    ...(deployment &&
      hasConsole(deployment) && { console: { address: console, url: `grpc://${console}`, hasPage: true } }),
  }
}

function stateOf(deployed: boolean, problems: readonly string[]): ClusterState {
  if (!deployed) return 'up'
  return problems.length === 0 ? 'deployed' : 'degraded'
}

function problemOf({ name, state }: ServerStatus, { servers }: SupervisorStatus): string {
  const lastEnd = servers.find(({ spec }) => spec.name === name)?.lastEnd
  const words: Readonly<Record<string, string>> = {
    crashed: `ended (${lastEnd ?? 'for no known reason'}) and is started again after a pause`,
    starting: 'does not answer yet',
    unresponsive: 'does not answer',
    draining: 'drains',
    stopped: 'is stopped',
  }
  return `${serverNoun(name)} ${words[state] ?? state}`
}
