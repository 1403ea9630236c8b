import { isGoing, isReady, type Pod } from '../../kubernetes/pods.ts'
import { ports } from '../../manifest/servers.ts'
import type { ServerStatus } from '../../status.ts'

const roles = ['cas', 'scheduler', 'worker', 'console'] as const
type Role = (typeof roles)[number]

/** A server and the pod that it is. */
export interface ServerPod {
  readonly name: string
  readonly role: Role
  readonly pod: Pod
}

/** Is it a pod of this server? */
export function isOf({ metadata }: Pod, role: Role): boolean {
  return metadata.labels?.['app.kubernetes.io/name'] === role
}

/** Pods as servers, without those that go; workers are counted in the order in which they were made. */
export function serverPods(pods: readonly Pod[]): ServerPod[] {
  const living = pods.filter((pod) => !isGoing(pod) && pod.status.phase !== 'Failed')
  return roles.flatMap((role) =>
    living
      .filter((pod) => isOf(pod, role))
      .sort((a, b) => order(keyOf(a), keyOf(b)))
      .map((pod, at) => ({ name: role === 'worker' ? `worker-${at + 1}` : role, role, pod })),
  )
}

/** The workers' pods, oldest first. */
export function workersOf(pods: readonly Pod[]): Pod[] {
  return serverPods(pods).flatMap(({ role, pod }) => (role === 'worker' ? [pod] : []))
}

/** The shape that `native status` shows. */
export function serversOf(pods: readonly Pod[]): ServerStatus[] {
  return serverPods(pods).map(({ name, role, pod }) => {
    const container = pod.status.containerStatuses?.[0]
    const started = container?.state.running?.startedAt
    const ip = pod.status.podIP
    return {
      name,
      role,
      state: stateOf(pod),
      address: role === 'worker' || ip === undefined ? null : `${ip}:${ports[role]}`,
      metrics: ip === undefined ? null : `${ip}:${ports.metrics}`,
      id: pod.metadata.name,
      restarts: container?.restartCount ?? 0,
      since: started === undefined ? null : Date.parse(started),
      version: null,
      notes: [],
    }
  })
}

function stateOf(pod: Pod): ServerStatus['state'] {
  if (isReady(pod)) return 'ready'
  const container = pod.status.containerStatuses?.[0]
  return container && !container.state.running && container.restartCount > 0 ? 'crashed' : 'starting'
}

const keyOf = ({ metadata }: Pod) => `${metadata.creationTimestamp} ${metadata.name}`
const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
