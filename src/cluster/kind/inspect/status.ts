import { hasConsole } from '../../../config/deployment.ts'
import { Failure, messageOf } from '../../../core/failure.ts'
import { holderOf } from '../../../host/process-lock.ts'
import { cacheUsageOf } from '../../../telemetry/cache-usage.ts'
import type { Addresses } from '../../addresses.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { readGateways } from '../../kubernetes/gateways.ts'
import { listPods, listWarnings, type Pod, type Warning } from '../../kubernetes/pods.ts'
import { troubleOf } from '../../kubernetes/trouble.ts'
import { doors } from '../../manifest/gateways.ts'
import { emptyStatus } from '../../shared/empty-status.ts'
import { workersElsewhere } from '../../shared/other-workers.ts'
import { authorizeAs } from '../../shared/owners-login.ts'
import { assertAllAnswer } from '../../shared/readiness.ts'
import { loadOf, sandboxedOf, versionOf, workerCachesOf } from '../../shared/usage.ts'
import type { ClusterState, ClusterStatus } from '../../status.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { addressesAt } from '../door.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { assertOurs, nodesOf } from '../nodes/nodes.ts'
import { certificateProblems } from '../rollout/certificate.ts'
import { askServers, probeMsMax, withVersion } from '../rollout/server-facts.ts'
import { serverPods, serversOf } from '../rollout/servers.ts'
import { type KindMemory, readKindMemory } from '../state.ts'
import { openPage } from './open-page.ts'

/** The current status of the cluster. */
export async function clusterStatus(context: KindContext): Promise<ClusterStatus> {
  const { paths } = context
  const memory = await readKindMemory(paths)
  if (!memory?.container) {
    const holder = await holderOf(paths.lock)
    if (holder !== undefined) return bare(context, 'creating', [`process ${holder} is working on it`])
    return memory
      ? bare(context, 'failed', ['`native up` was ended before it was done; run it again'])
      : bare(context, 'absent', [])
  }
  const nodes = await nodesOf(context)
  assertOurs(context, memory, nodes)
  if (nodes.length === 0) return bare(context, 'failed', ['its nodes are gone; `native down` clears what is left'])
  const stopped = nodes.filter(({ running }) => !running).map(({ name }) => name)
  if (stopped.length > 0) return bare(context, 'failed', [`${stopped.join(', ')} stopped; \`native up\` starts again`])
  try {
    return await deployedStatus(context, memory)
  } catch (error) {
    if (!(error instanceof Failure && (error.kind === 'unavailable' || error.kind === 'deadline'))) throw error
    return bare(context, 'degraded', [messageOf(error)])
  }
}

function bare({ paths, release }: KindContext, state: ClusterState, problems: readonly string[]): ClusterStatus {
  const cluster = {
    name: paths.name,
    driver: 'kind',
    version: versionOf(release),
    atLogin: null,
    keptData: null,
  } as const
  return emptyStatus(cluster, state, problems)
}

async function deployedStatus(context: KindContext, memory: KindMemory): Promise<ClusterStatus> {
  if (!memory.deployment) return bare(context, 'up', [])
  const kubernetes = await kubernetesOf(context)
  const namespace = namespaceOf(context)
  const [pods, warnings, given] = await Promise.all([
    listPods(kubernetes, namespace),
    listWarnings(kubernetes, namespace),
    givenAddresses(context, kubernetes, memory),
  ])
  const servers = serversOf(pods)
  if (servers.length === 0) return bare(context, 'up', [])
  const authorize = authorizeAs(context.user)
  const ids = new Set(servers.flatMap(({ id }) => id ?? []))
  const [said, otherWorkers, expiring] = await Promise.all([
    askServers(kubernetes, pods),
    given.addresses ? workersElsewhere(given.addresses.scheduler, ids, authorize, probeMsMax) : null,
    certificateProblems(context, memory.deployment),
  ])
  const problems = [...problemsOf(pods, warnings), ...given.lacks, ...expiring]
  const workers = servers.flatMap(({ name, role }) => (role === 'worker' ? [said.get(name)] : []))
  const base = bare(context, problems.length === 0 ? 'deployed' : 'degraded', problems)
  return {
    ...base,
    servers: servers.map((server) => withVersion(server, said.get(server.name), base.version)),
    addresses: given.addresses,
    otherWorkers,
    cache: cacheUsageOf(said.get('cas')),
    workerCaches: workerCachesOf(workers),
    sandboxedWorkers: sandboxedOf(workers),
    load: loadOf(said.get('scheduler')),
  }
}

function problemsOf(pods: readonly Pod[], warnings: readonly Warning[]): string[] {
  const states = new Map(serversOf(pods).map(({ name, state }) => [name, state]))
  return serverPods(pods).flatMap(({ name, pod }) => {
    if (states.get(name) === 'ready') return []
    const trouble = troubleOf(pod, warnings, { restartsMax: 1, imageGraceMs: 0 })
    return [`${name} is ${states.get(name)}${trouble ? `: ${trouble.message} (${trouble.said})` : ''}`]
  })
}

/** The addresses, each of which is answering. @throws Failure 'not-found', 'unavailable' */
export async function clusterAddresses(context: KindContext): Promise<Addresses> {
  const memory = await readKindMemory(context.paths)
  const next = ['Run `native deploy` first: it brings up what is not there.']
  if (!memory?.deployment)
    throw new Failure('not-found', `nothing is deployed on cluster "${context.paths.name}"`, { next })
  const addresses = await clusterAddressesNow(context, await kubernetesOf(context))
  await assertAllAnswer(addresses, 'Run `native status` to see why.', authorizeAs(context.user))
  if (addresses.console || !hasConsole(memory.deployment)) return addresses
  return { ...addresses, openConsole: (failed) => openPage(context, failed) }
}

/** What clients use. @throws Failure 'unavailable' while a Gateway has no address */
export async function clusterAddressesNow(
  context: KindContext,
  kubernetes: Kubernetes,
  signal?: AbortSignal,
): Promise<Addresses> {
  const { addresses, lacks } = await givenAddresses(context, kubernetes, await readKindMemory(context.paths), signal)
  if (addresses) return addresses
  throw new Failure('unavailable', lacks.join('; '), { next: ['Run `native deploy` again; it waits for them.'] })
}

interface Given {
  readonly addresses: Addresses | null
  readonly lacks: readonly string[]
}

/** The Gateways' own addresses, or the ports of this machine that they are published on. */
async function givenAddresses(
  context: KindContext,
  kubernetes: Kubernetes,
  memory: KindMemory | undefined,
  signal?: AbortSignal,
): Promise<Given> {
  const gateways = await readGateways(kubernetes, namespaceOf(context), signal)
  const found = doors.map(({ gateway }) => gateways.get(gateway)?.status.addresses[0]?.value)
  const lacks = doors.filter((_, at) => found[at] === undefined).map(({ gateway }) => `${gateway} has no address`)
  const [cache, scheduler] = found
  if (cache === undefined || scheduler === undefined) return { addresses: null, lacks }
  const { deployment = null, published = null } = memory ?? {}
  return { addresses: addressesAt(context.paths, { deployment, published }, { cache, scheduler }), lacks: [] }
}
