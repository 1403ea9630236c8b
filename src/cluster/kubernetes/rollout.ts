import { Failure } from '../../core/failure.ts'
import type { StepReport } from '../driver.ts'
import { isUnready, type NodeCapacity, type NodeState, nodeSchema, nodesPath } from './capacity.ts'
import type { Kubernetes } from './connect.ts'
import { createRipening } from './grace.ts'
import { isGoing, isReady, type Pod, podSchema, podsPath, type Warning, warningSchema, warningsOf } from './pods.ts'
import { type Trouble, type TroubleOptions, troubleFailure, troubleOf } from './trouble.ts'
import { type Decision, until, type Watched, watched } from './watch.ts'
import { type Workload, workloadKinds, workloadsPath } from './workloads.ts'

export interface RolloutOptions extends TroubleOptions {
  readonly namespaces: readonly string[]
  readonly msMax: number
  readonly report: StepReport
  /** Pods of an older form go away by themselves, whatever their state; by default every pod counts. */
  counts?(pod: Pod): boolean
}

/** The controller retries what admission or a quota has refused; it gets this long. */
const refusedGraceMs = 5_000

/**
 * Waits until every workload of the namespaces runs in its newest form and every pod is ready. Pods, workloads and
 * events are watched, and failure is noticed as quickly as success: what will not pass is thrown with the pod's own
 * message.
 * @throws Failure 'not-found' for an image, 'program' for a crash loop, 'exhausted' for a pod that fits nowhere or is
 *   killed for its memory, 'unavailable' for nodes that are not ready, 'precondition' for a mount, 'denied' for a pod
 *   that is not allowed, 'deadline'
 */
export async function awaitRollout(kubernetes: Kubernetes, options: RolloutOptions): Promise<void> {
  const { report, msMax } = options
  const view = viewOf(kubernetes, options.namespaces)
  const ripe = createRipening(kubernetes.clock)
  const isNews = newsFilter()
  let ended = false
  await until(
    [...view.pods, ...view.warnings, ...view.workloads, view.nodes],
    { clock: kubernetes.clock, signal: report.signal, msMax },
    async (expired): Promise<Decision> => {
      const [pods, workloads] = [all(view.pods), all(view.workloads)]
      const warnings = isNews(all(view.warnings))
      const living = pods.filter((pod) => isWanted(pod) && (options.counts?.(pod) ?? true))
      const room = roomOf(pods, view.nodes, ended)
      ended ||= room.ending > 0
      const waits = [
        ...living.map((pod) => ripe(pod.metadata.uid, troubleOf(pod, warnings, options, room))),
        ...workloads.map((each) => ripe(each.uid, refusalOf(each, warnings))),
      ]
      for (const [at, pod] of living.entries()) {
        const trouble = waits[at]?.ripe
        if (trouble) throw await troubleFailure(kubernetes, pod, trouble, warnings, report.signal)
      }
      const refusal = waits.slice(living.length).find((each) => each?.ripe)?.ripe
      if (refusal) throw new Failure(refusal.kind, refusal.message, { output: refusal.said })
      const late = living.filter((pod) => !isReady(pod))
      const unsettled = workloads.filter(({ settled }) => !settled)
      if (late.length === 0 && unsettled.length === 0) return 'done'
      if (expired) throw await lateFailure(kubernetes, options, late, unsettled, warnings)
      report.say(`waiting for ${progressText(late, unsettled)}`)
      return decisionOf(waits.map((each) => each?.inMs))
    },
  )
}

function viewOf(kubernetes: Kubernetes, namespaces: readonly string[]) {
  const kinds = Object.entries(workloadKinds) as [keyof typeof workloadKinds, (typeof workloadKinds)['deployments']][]
  return {
    nodes: watched(kubernetes, { path: nodesPath, schema: nodeSchema }),
    pods: namespaces.map((each) => watched(kubernetes, { path: podsPath(each), schema: podSchema })),
    warnings: namespaces.map((each) => watched(kubernetes, { ...warningsOf(each), schema: warningSchema })),
    workloads: namespaces.flatMap((each) =>
      kinds.map(([plural, schema]) => watched<Workload>(kubernetes, { path: workloadsPath(each, plural), schema })),
    ),
  }
}

function all<T>(watches: readonly Watched<T>[]): T[] {
  return watches.flatMap(({ items }) => [...items.values()])
}

/**
 * Drops warnings from before the watch began: they may be stale, from before a reboot or a repair. What still is wrong
 * is reported again, which changes the warning's version.
 */
export function newsFilter(): (warnings: readonly Warning[]) => Warning[] {
  let old: ReadonlyMap<string, string | undefined> | undefined
  const keyOf = ({ metadata }: Warning) => `${metadata.namespace}/${metadata.name}`
  return (warnings) => {
    old ??= new Map(warnings.map((each) => [keyOf(each), each.metadata.resourceVersion]))
    const before = old
    return warnings.filter(
      (each) => !before.has(keyOf(each)) || before.get(keyOf(each)) !== each.metadata.resourceVersion,
    )
  }
}

function roomOf(pods: readonly Pod[], nodes: Watched<NodeState>, ended: boolean): NodeCapacity {
  const unready = [...nodes.items.values()].filter(isUnready).map(({ metadata }) => metadata.name)
  return { ending: pods.filter(isGoing).length, ended, unready }
}

/**
 * A pod that is being removed, has completed, or has failed and is replaced (by a Job, or after an eviction) is not
 * waited for.
 */
function isWanted(pod: Pod): boolean {
  return !isGoing(pod) && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed'
}

/** For a StatefulSet only an event says that it is not allowed to create its pods; a Deployment has a condition. */
function refusalOf(workload: Workload, warnings: readonly Warning[]): Trouble | undefined {
  if (workload.settled) return undefined
  const event = warnings.find(
    ({ involvedObject, reason }) => involvedObject.uid === workload.uid && reason === 'FailedCreate',
  )
  const said = workload.refused ?? event?.message
  if (said === undefined) return undefined
  return {
    kind: 'denied',
    message: `the cluster does not let ${workload.name} have its pods`,
    said,
    graceMs: refusedGraceMs,
  }
}

const observedMsMax = 10_000

/**
 * Waits until the controllers have seen the newest form of every StatefulSet: a pod that is deleted earlier is
 * recreated in the old one.
 */
export async function awaitObserved(kubernetes: Kubernetes, namespace: string, signal: AbortSignal): Promise<void> {
  const sets = watched(kubernetes, {
    path: workloadsPath(namespace, 'statefulsets'),
    schema: workloadKinds.statefulsets,
  })
  await until([sets], { clock: kubernetes.clock, signal, msMax: observedMsMax }, async (expired) =>
    expired || [...sets.items.values()].every(({ observed }) => observed) ? 'done' : {},
  )
}

function decisionOf(waits: readonly (number | undefined)[]): Decision {
  const soonest = Math.min(...waits.filter((each) => each !== undefined))
  return Number.isFinite(soonest) ? { againMs: soonest } : {}
}

const namesShown = 6

function progressText(late: readonly Pod[], unsettled: readonly Workload[]): string {
  const parts = unsettled.map(({ name, progress }) => `${name} (${progress})`)
  const names = parts.length > 0 ? parts : late.map(({ metadata }) => metadata.name)
  const more = names.length - namesShown
  return `${names.slice(0, namesShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The deadline has passed without a reason being known: whatever is late reports what it can. */
async function lateFailure(
  kubernetes: Kubernetes,
  { msMax, report }: RolloutOptions,
  late: readonly Pod[],
  unsettled: readonly Workload[],
  warnings: readonly Warning[],
): Promise<Failure> {
  const message = `not ready after ${Math.round(msMax / 1000)} s: ${progressText(late, unsettled)}`
  const [pod] = late
  if (!pod) return new Failure('deadline', message)
  const container = pod.status.containerStatuses?.[0]?.name
  const trouble: Trouble = {
    kind: 'deadline',
    message,
    said: '',
    graceMs: 0,
    next: 'See what they are doing with `native logs`.',
    ...(container !== undefined && { log: { container, previous: false } }),
  }
  return troubleFailure(kubernetes, pod, trouble, warnings, report.signal)
}
