import { Failure, type FailureKind } from '../../core/failure.ts'
import { type NodeCapacity, noPlace } from './capacity.ts'
import type { Kubernetes } from './connect.ts'
import { type ContainerStatus, isReady, type Pod, tailOf, type Warning } from './pods.ts'

/** What keeps a pod from becoming ready and will not pass by itself. */
export interface Trouble {
  readonly kind: FailureKind
  /** A whole sentence without its full stop. */
  readonly message: string
  /** The cluster's own message. */
  readonly said: string
  readonly next?: string
  /** It counts when it has lasted this long: some states are transient. */
  readonly graceMs: number
  /** For what is retried: whether a try has just failed. The second failure counts at once. */
  readonly failedTry?: boolean
  /** The container whose last log lines tell more. */
  readonly log?: { readonly container: string; readonly previous: boolean }
}

export interface TroubleOptions {
  /** Restarts tolerated before "it does not stay up": a program may be ready before its dependencies. */
  readonly restartsMax: number
  /** How long a pull may fail: a registry on the internet may be busy, our own is not. */
  readonly imageGraceMs: number
  /** What to do when an image cannot be pulled: that depends on where it should come from. */
  readonly imageNext?: string
}

const creationGraceMs = 10_000
const usualRoom: NodeCapacity = { ending: 0, ended: false, unready: [] }

/**
 * Judged by reasons, which are part of the API, never by messages, which are not.
 * @param room the state of the nodes
 */
export function troubleOf(
  pod: Pod,
  warnings: readonly Warning[],
  options: TroubleOptions,
  room: NodeCapacity = usualRoom,
): Trouble | undefined {
  const { status, metadata } = pod
  if (status.phase === 'Failed')
    return { kind: 'program', message: `${metadata.name} has failed`, said: words(status), graceMs: 0 }
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable')
    return noPlace(metadata.name, words(scheduled), room)
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  for (const each of containers) {
    const trouble = containerTrouble(metadata.name, each, options)
    if (trouble) return trouble
  }
  return isReady(pod) || containers.some(({ state }) => state.running) ? undefined : warningTrouble(pod, warnings)
}

/** kubelet's reasons for a waiting container, from pkg/kubelet/images and kuberuntime. */
const imageReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
])
/** These are not retried. */
const finalReasons = new Set(['ErrImageNeverPull', 'InvalidImageName'])
const creationReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreStartHookError',
  'PostStartHookError',
])

function containerTrouble(
  pod: string,
  { name, state, lastState, restartCount, ready }: ContainerStatus,
  { restartsMax, imageGraceMs, imageNext }: TroubleOptions,
): Trouble | undefined {
  const reason = state.waiting?.reason ?? ''
  const said = words(state.waiting ?? {})
  if (imageReasons.has(reason))
    return {
      kind: 'not-found',
      message: `the image of ${pod} cannot be pulled`,
      said,
      graceMs: finalReasons.has(reason) ? 0 : imageGraceMs,
      failedTry: reason === 'ErrImagePull',
      ...(imageNext !== undefined && { next: imageNext }),
    }
  if (creationReasons.has(reason))
    return { kind: 'program', message: `${pod} cannot be started`, said, graceMs: creationGraceMs }
  const ended = state.terminated ?? (state.waiting && lastState?.terminated)
  if (!ended || ready) return undefined
  const log = { container: name, previous: state.terminated === undefined }
  if (ended.reason === 'OOMKilled')
    return {
      kind: 'exhausted',
      message: `${pod} needs more memory than it may have`,
      said: `${name} was killed (OOMKilled, exit code ${ended.exitCode})`,
      next: 'Give it a smaller cache or fewer --slots.',
      graceMs: 0,
      log,
    }
  if (reason !== 'CrashLoopBackOff' || restartCount < restartsMax) return undefined
  return {
    kind: 'program',
    message: `${pod} does not stay up`,
    said: `${name} ended with ${endText(ended)} and was restarted ${restartCount} times`,
    next: 'Its last lines stand above; change the setting that they name.',
    graceMs: 0,
    log,
  }
}

function endText({
  exitCode,
  signal,
  reason,
}: {
  exitCode: number
  signal?: number | undefined
  reason?: string | undefined
}): string {
  return `${signal ? `signal ${signal}` : `exit code ${exitCode}`}${reason && reason !== 'Error' ? ` (${reason})` : ''}`
}

/** For a pod with no started container: how long kubelet may keep trying, by the reason of its warnings. */
const warningGraceMs: Readonly<Record<string, number>> = {
  FailedMount: 15_000,
  FailedAttachVolume: 30_000,
  FailedMapVolume: 15_000,
  FailedCreatePodSandBox: 30_000,
}

function warningTrouble(pod: Pod, warnings: readonly Warning[]): Trouble | undefined {
  const { metadata } = pod
  const since = lastStart(pod)
  const warning = warnings.find(
    ({ involvedObject, reason, lastTimestamp }) =>
      involvedObject.uid === metadata.uid &&
      reason in warningGraceMs &&
      !(since && lastTimestamp && Date.parse(lastTimestamp) <= since),
  )
  if (!warning) return undefined
  return {
    kind: 'precondition',
    message: `${metadata.name} cannot be set up on its node`,
    said: words(warning),
    graceMs: warningGraceMs[warning.reason] ?? 0,
  }
}

/** When one of its containers last started, in milliseconds, by its kubelet's clock: earlier warnings are over. */
function lastStart({ status }: Pod): number {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  const starts = containers
    .flatMap(({ state, lastState }) => [state.running, state.terminated, lastState?.terminated])
    .flatMap((each) => (each?.startedAt ? [Date.parse(each.startedAt)] : []))
  return Math.max(0, ...starts)
}

function words({ reason, message }: { reason?: string | undefined; message?: string | undefined }): string {
  return [reason, message].filter((each) => each !== undefined && each !== '').join(': ')
}

const linesShown = 20
const warningsShown = 5

/** The trouble as an error, with all that is known: the cluster's message, the pod's events, its last lines. */
export async function troubleFailure(
  kubernetes: Kubernetes,
  pod: Pod,
  trouble: Trouble,
  warnings: readonly Warning[],
  signal?: AbortSignal,
): Promise<Failure> {
  const own = warnings.filter(({ involvedObject }) => involvedObject.uid === pod.metadata.uid).slice(-warningsShown)
  // kubelet says the same in the pod's status and in two or three events.
  const told = ({ message }: Warning) => trouble.said.includes(message) || message.includes(messageIn(trouble.said))
  const events = own.filter((each) => !told(each)).map((each) => words(each))
  const log = trouble.log ? await lastWords(kubernetes, pod, trouble.log, signal) : []
  return new Failure(trouble.kind, trouble.message, {
    where: `pod ${pod.metadata.namespace}/${pod.metadata.name}`,
    output: [trouble.said, ...new Set(events), ...log].filter((each) => each !== '').join('\n'),
    next: trouble.next === undefined ? [] : [trouble.next],
  })
}

/** Without the reason prefix; a message that is empty matches no other. */
function messageIn(said: string): string {
  return said.slice(said.indexOf(': ') + 2) || '\n'
}

async function lastWords(
  kubernetes: Kubernetes,
  pod: Pod,
  { container, previous }: { container: string; previous: boolean },
  signal: AbortSignal | undefined,
): Promise<string[]> {
  try {
    const text = await tailOf(kubernetes, pod, { container, lines: linesShown, previous, signal })
    return text.trim() === '' ? [] : [`last lines of ${container}:`, text.trimEnd()]
  } catch (error) {
    signal?.throwIfAborted()
    // A container that never ran has none, and an absent node returns none.
    if (error instanceof Failure) return []
    throw error
  }
}
