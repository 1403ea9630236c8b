import { z } from 'zod'
import { pause } from '../../client/retry.ts'
import { Failure } from '../../core/failure.ts'
import type { StepReport } from '../driver.ts'
import type { KindContext } from './context.ts'
import { kubectl } from './programs.ts'

const pollMs = 500
/** One crash may be a server that was quicker than what it depends on. */
const crashesMax = 2
const linesShown = 20

const waiting = z.object({ reason: z.string().optional(), message: z.string().optional() })
const containerStatus = z.object({
  name: z.string(),
  ready: z.boolean(),
  restartCount: z.number(),
  state: z.object({
    waiting: waiting.optional(),
    running: z.object({ startedAt: z.string() }).optional(),
    terminated: z.object({ exitCode: z.number(), reason: z.string().optional() }).optional(),
  }),
})
const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
})

const pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  status: z.object({
    phase: z.string(),
    startTime: z.string().optional(),
    podIP: z.string().optional(),
    conditions: z.array(condition).optional(),
    containerStatuses: z.array(containerStatus).optional(),
  }),
})
const podList = z.object({ items: z.array(pod) })
export type Pod = z.output<typeof pod>

/** The pods of a namespace. */
export async function podsIn(context: KindContext, namespace: string, signal?: AbortSignal): Promise<Pod[]> {
  const args = ['get', 'pods', '--namespace', namespace, '--output', 'json']
  return podList.parse(JSON.parse(await kubectl(context, args, signal ? { signal } : {}))).items
}

export function isReady({ status }: Pod): boolean {
  return status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
}

export interface WatchOptions {
  readonly namespaces: readonly string[]
  readonly msMax: number
  readonly report: StepReport
  /** Pods of an older form go by themselves, whatever ails them. */
  counts?(pod: Pod): boolean
  /** True when nothing old is left and all that is new is there; every pod is to be ready beside. */
  settled?(): Promise<boolean>
}

/**
 * Waits until every pod is ready, and watches failure alike: what will not get better is thrown
 * with the pod's own words.
 * @throws Failure 'program' for a crash loop, 'not-found' for an image, 'exhausted' for a pod that
 *   fits nowhere, 'deadline'
 */
export async function watchPods(context: KindContext, options: WatchOptions): Promise<void> {
  const { report } = options
  const deadline = context.clock.now() + options.msMax
  for (;;) {
    const pods: Pod[] = []
    for (const each of options.namespaces) pods.push(...(await podsIn(context, each, report.signal)))
    const living = pods
      .filter(({ metadata, status }) => !metadata.deletionTimestamp && status.phase !== 'Succeeded')
      .filter((each) => options.counts?.(each) ?? true)
    for (const each of living) await assertHopeful(context, each)
    const late = living.filter((each) => !isReady(each)).map(({ metadata }) => metadata.name)
    if (late.length === 0 && (await (options.settled?.() ?? true))) return
    if (late.length > 0) report.say(`waiting for ${late.join(', ')}`)
    if (context.clock.now() > deadline)
      throw new Failure('deadline', `pods do not get ready: ${late.join(', ')}`, {
        next: ['See what they are at with `native logs`.'],
      })
    await pause(pollMs, context.clock, report.signal)
  }
}

const imageReasons = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'])
const configReasons = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'])

async function assertHopeful(context: KindContext, { metadata, status }: Pod): Promise<void> {
  const where = `pod ${metadata.namespace}/${metadata.name}`
  const unschedulable = status.conditions?.find(({ reason }) => reason === 'Unschedulable')
  // Kubernetes says so of a pod whose volume is still being made as well; that passes.
  if (unschedulable && /Insufficient/.test(unschedulable.message ?? ''))
    throw new Failure('exhausted', `no node has room for ${metadata.name}`, {
      where,
      ...(unschedulable.message !== undefined && { output: unschedulable.message }),
      next: ['Ask for fewer --workers or --slots, or give the cluster more nodes.'],
    })
  for (const { name, state, restartCount } of status.containerStatuses ?? []) {
    const reason = state.waiting?.reason ?? ''
    const output = state.waiting?.message ?? ''
    if (imageReasons.has(reason))
      throw new Failure('not-found', `the image of ${metadata.name} cannot be pulled`, { where, output })
    if (configReasons.has(reason))
      throw new Failure('program', `${metadata.name} cannot be started (${reason})`, { where, output })
    if (reason !== 'CrashLoopBackOff' || restartCount < crashesMax) continue
    const args = ['logs', '--namespace', metadata.namespace, metadata.name, '--container', name, '--previous']
    throw new Failure('program', `${metadata.name} does not stay up`, {
      where,
      output: await kubectl(context, [...args, `--tail=${linesShown}`]),
      next: ['Its last lines stand above.'],
    })
  }
}
