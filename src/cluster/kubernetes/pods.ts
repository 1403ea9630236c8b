import { z } from 'zod'
import { deleteObject } from './apply.ts'
import { call, textOf } from './call.ts'
import type { Kubernetes } from './connect.ts'

const ended = z.object({
  exitCode: z.number(),
  startedAt: z.string().nullish(),
  reason: z.string().optional(),
  message: z.string().optional(),
  signal: z.number().optional(),
})
const containerState = z.object({
  waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
  running: z.object({ startedAt: z.string() }).optional(),
  terminated: ended.optional(),
})
const containerStatus = z.object({
  name: z.string(),
  ready: z.boolean(),
  restartCount: z.number(),
  state: containerState.default({}),
  lastState: containerState.optional(),
})
export type ContainerStatus = z.output<typeof containerStatus>

/** What is read from a pod; the rest is dropped. */
export const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })).optional(),
  }),
  status: z.object({
    phase: z.string().default('Pending'),
    reason: z.string().optional(),
    message: z.string().optional(),
    podIP: z.string().optional(),
    conditions: z
      .array(
        z.object({
          type: z.string(),
          status: z.string(),
          reason: z.string().optional(),
          message: z.string().optional(),
        }),
      )
      .optional(),
    initContainerStatuses: z.array(containerStatus).optional(),
    containerStatuses: z.array(containerStatus).optional(),
  }),
})
export type Pod = z.output<typeof podSchema>

/** A warning about some object, as core/v1 Event has it. */
export const warningSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), resourceVersion: z.string().optional() }),
  involvedObject: z.object({
    kind: z.string().default(''),
    name: z.string().default(''),
    uid: z.string().default(''),
  }),
  reason: z.string().default(''),
  message: z.string().default(''),
  count: z.number().nullish(),
  /** When it was last seen, by the observer's clock. */
  lastTimestamp: z.string().nullish(),
})
export type Warning = z.output<typeof warningSchema>

export const podsPath = (namespace: string) => `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`

const podList = z.object({ items: z.array(podSchema).default([]) })

/** The pods of a namespace; none if it does not exist. */
export async function listPods(kubernetes: Kubernetes, namespace: string, signal?: AbortSignal): Promise<Pod[]> {
  const { body } = await call(kubernetes, { path: podsPath(namespace), object: `pods of ${namespace}`, signal })
  return podList.parse(body).items
}

const warningList = z.object({ items: z.array(warningSchema).default([]) })

/** Warnings of the last hour about the objects of a namespace. */
export async function listWarnings(kubernetes: Kubernetes, namespace: string): Promise<Warning[]> {
  const { body } = await call(kubernetes, { ...warningsOf(namespace), object: `events of ${namespace}` })
  return warningList.parse(body).items
}

/** Where warnings are listed and watched. */
export function warningsOf(namespace: string) {
  return {
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`,
    query: { fieldSelector: 'type=Warning' },
  } as const
}

export function isReady({ status }: Pod): boolean {
  return status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
}

/** Is it being removed? */
export function isGoing({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined
}

/** Removes pods, with the grace period that they specify. */
export async function deletePods(kubernetes: Kubernetes, pods: readonly Pod[], signal?: AbortSignal): Promise<void> {
  for (const { metadata } of pods) await deleteObject(kubernetes, { apiVersion: 'v1', kind: 'Pod', metadata }, signal)
}

/** Sets annotations on a running pod. */
export async function annotatePod(
  kubernetes: Kubernetes,
  { metadata }: Pod,
  annotations: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  await call(kubernetes, {
    method: 'PATCH',
    path: `${podsPath(metadata.namespace)}/${metadata.name}`,
    body: { type: 'application/merge-patch+json', text: JSON.stringify({ metadata: { annotations } }) },
    object: `Pod ${metadata.namespace}/${metadata.name}`,
    signal,
  })
}

const logBytesMax = 1024 * 1024

/** The last lines of a container that is or was running; with previous, those of the run before. */
export async function tailOf(
  kubernetes: Kubernetes,
  { metadata }: Pod,
  options: {
    container: string
    lines: number
    previous: boolean
    sinceTime?: string | undefined
    signal?: AbortSignal | undefined
  },
): Promise<string> {
  const { container, lines, previous, sinceTime, signal } = options
  const answer = await textOf(kubernetes, {
    path: `${podsPath(metadata.namespace)}/${metadata.name}/log`,
    query: { container, tailLines: lines, limitBytes: logBytesMax, previous, sinceTime },
    accept: '*/*',
    object: `log of ${metadata.namespace}/${metadata.name}`,
    signal,
  })
  return answer.text
}
