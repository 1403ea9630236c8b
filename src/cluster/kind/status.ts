import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import type { Addresses, ClusterState, ClusterStatus, ServerStatus } from '../driver.ts'
import { doors } from '../manifest/gateways.ts'
import { ports } from '../manifest/servers.ts'
import { assertAnswers } from '../process/answers.ts'
import { holderOf } from '../process/lock.ts'
import type { KindContext } from './context.ts'
import { assertOurs, nodesOf } from './nodes.ts'
import { kubectl } from './programs.ts'
import { readKindMemory } from './state.ts'
import { namespaceOf } from './up.ts'
import { isReady, type Pod, podsIn } from './watch.ts'

const roles = ['cas', 'scheduler', 'worker'] as const

/** What the cluster is like now. */
export async function clusterStatus(context: KindContext): Promise<ClusterStatus> {
  const { paths } = context
  const without = (state: ClusterState, problems: readonly string[]): ClusterStatus => ({
    name: paths.name,
    driver: 'kind',
    state,
    servers: [],
    addresses: null,
    problems,
  })
  const memory = await readKindMemory(paths)
  const holder = await holderOf(paths.lock)
  if (!memory?.container) {
    if (holder !== undefined) return without('creating', [`process ${holder} is at work on it`])
    return memory
      ? without('failed', ['`native up` was ended before it was done; run it again'])
      : without('absent', [])
  }
  const nodes = await nodesOf(context)
  assertOurs(context, memory, nodes)
  const stopped = nodes.filter(({ running }) => !running)
  if (nodes.length === 0) return without('failed', ['its nodes are gone; `native down` clears what is left'])
  if (stopped.length > 0)
    return without('failed', [`${stopped.map(({ name }) => name).join(', ')} stopped; \`native up\` starts again`])
  const servers = memory.deployment ? serversOf(await podsIn(context, namespaceOf(context))) : []
  const problems = servers.filter(({ state }) => state !== 'ready').map(({ name, state }) => `${name} is ${state}`)
  if (!memory.deployment || servers.length === 0) return { ...without('up', []), servers }
  return {
    ...without(problems.length === 0 ? 'deployed' : 'degraded', problems),
    servers,
    addresses: await clusterAddressesNow(context),
  }
}

/** The addresses, each of which answers now. @throws Failure 'not-found', 'unavailable' */
export async function clusterAddresses(context: KindContext): Promise<Addresses> {
  const memory = await readKindMemory(context.paths)
  const next = ['Run `native deploy` first: it brings up what is not there.']
  if (!memory?.deployment)
    throw new Failure('not-found', `nothing is deployed on cluster "${context.paths.name}"`, { next })
  const addresses = await clusterAddressesNow(context)
  for (const [what, { url }] of Object.entries(addresses)) {
    try {
      await assertAnswers(url)
    } catch (cause) {
      throw new Failure('unavailable', `the ${what} does not answer`, { where: url, cause })
    }
  }
  return addresses
}

const gateways = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({ addresses: z.array(z.object({ value: z.string() })).default([]) }).prefault({}),
    }),
  ),
})

/** What the Gateways have been given. @throws Failure 'unavailable' while one has no address */
export async function clusterAddressesNow(context: KindContext): Promise<Addresses> {
  const args = ['get', 'gateways.gateway.networking.k8s.io', '--namespace', namespaceOf(context), '--output', 'json']
  const { items } = gateways.parse(JSON.parse(await kubectl(context, args)))
  const [cache, scheduler] = doors.map(({ gateway }) => {
    const address = items.find(({ metadata }) => metadata.name === gateway)?.status.addresses[0]?.value
    if (address === undefined) throw new Failure('unavailable', `${gateway} has no address yet`, { where: gateway })
    return { address, url: `grpc://${address}` }
  })
  if (!cache || !scheduler) throw new Failure('internal', 'a door is missing')
  return { cache, scheduler }
}

/** Pods as servers; workers are counted in the order in which they were made. */
export function serversOf(pods: readonly Pod[]): ServerStatus[] {
  const living = pods.filter(({ metadata }) => !metadata.deletionTimestamp)
  return roles.flatMap((role) =>
    living
      .filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === role)
      .sort((a, b) => order(keyOf(a), keyOf(b)))
      .map((pod, at) => serverOf(pod, role, role === 'worker' ? `worker-${at + 1}` : role)),
  )
}

function serverOf(pod: Pod, role: (typeof roles)[number], name: string): ServerStatus {
  const container = pod.status.containerStatuses?.[0]
  const started = container?.state.running?.startedAt
  const ip = pod.status.podIP
  return {
    name,
    role,
    state: isReady(pod)
      ? 'ready'
      : container && !container.state.running && container.restartCount > 0
        ? 'crashed'
        : 'starting',
    address: role === 'worker' || ip === undefined ? null : `${ip}:${ports[role]}`,
    metrics: ip === undefined ? null : `${ip}:${ports.metrics}`,
    id: pod.metadata.name,
    restarts: container?.restartCount ?? 0,
    since: started === undefined ? null : Date.parse(started),
  }
}

const keyOf = ({ metadata }: Pod) => `${metadata.creationTimestamp} ${metadata.name}`
const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
