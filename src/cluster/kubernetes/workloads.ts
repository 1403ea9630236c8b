import { z } from 'zod'

const count = z.number().default(0)
const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
})
const metadata = z.object({ name: z.string(), namespace: z.string(), uid: z.string(), generation: z.number() })

const replicated = z.object({
  metadata,
  spec: z.object({ replicas: z.number().default(1) }),
  status: z
    .object({
      observedGeneration: count,
      replicas: count,
      updatedReplicas: count,
      readyReplicas: count,
      conditions: z.array(condition).optional(),
    })
    .prefault({}),
})

const onNodes = z.object({
  metadata,
  status: z
    .object({
      observedGeneration: count,
      desiredNumberScheduled: count,
      updatedNumberScheduled: count,
      numberReady: count,
    })
    .prefault({}),
})

/** A Deployment, StatefulSet or DaemonSet: its rollout state. */
export interface Workload {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  /** Its controller has seen this form of it. */
  readonly observed: boolean
  /** Every pod is of the newest form and ready, and no other is left. */
  readonly settled: boolean
  /** Like "1 of 2 ready". */
  readonly progress: string
  /** Why it cannot create pods, if it says so. */
  readonly refused: string | undefined
}

/** A Deployment or a StatefulSet. */
const replicatedWorkload = replicated.transform(({ metadata, spec, status }): Workload => {
  const counts = [status.replicas, status.updatedReplicas, status.readyReplicas]
  const observed = status.observedGeneration >= metadata.generation
  const failure = status.conditions?.find(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True')
  return {
    ...metadata,
    observed,
    settled: observed && counts.every((each) => each === spec.replicas),
    progress: progressText(spec.replicas, status),
    refused: failure && (failure.message ?? failure.reason),
  }
})

/** How many of the newest form are ready cannot be told apart: at most the smaller of both counts. */
function progressText(wanted: number, { replicas, updatedReplicas, readyReplicas }: Counts): string {
  const ready = `${Math.min(updatedReplicas, readyReplicas, wanted)} of ${wanted} ready`
  const surplus = replicas - wanted
  return surplus > 0 ? `${ready}, ${surplus} to go` : ready
}

type Counts = Readonly<Record<'replicas' | 'updatedReplicas' | 'readyReplicas', number>>

const nodeWorkload = onNodes.transform(({ metadata, status }): Workload => {
  const counts = [status.updatedNumberScheduled, status.numberReady]
  const observed = status.observedGeneration >= metadata.generation
  return {
    ...metadata,
    observed,
    settled: observed && counts.every((each) => each === status.desiredNumberScheduled),
    progress: `${status.numberReady} of ${status.desiredNumberScheduled} ready`,
    refused: undefined,
  }
})

/** The kinds of workloads, by their plural, and how each is read. */
export const workloadKinds = {
  deployments: replicatedWorkload,
  statefulsets: replicatedWorkload,
  daemonsets: nodeWorkload,
} as const

export const workloadsPath = (namespace: string, plural: keyof typeof workloadKinds) =>
  `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/${plural}`
