import { Failure } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
import type { LogLine } from '../driver.ts'
import { inOrder } from '../shared/log-order.ts'
import { lines } from './call.ts'
import type { Kubernetes } from './connect.ts'
import { isPassing } from './failure.ts'
import { type Pod, podSchema, podsPath, tailOf } from './pods.ts'
import { createQueue, type Queue } from './queue.ts'
import { createBell, watched } from './watch.ts'

/** How many lines may wait for a slow reader. */
const queueLines = 256
/** The pause before a log that ended is requested again: a container's end is known a little later. */
const againMs = 500

/** A pod under the name that its lines are given. */
export interface NamedPod {
  readonly name: string
  readonly pod: Pod
}

export interface RecentOptions {
  readonly lines: number
  /** Milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly signal: AbortSignal
}

/** The last lines of pods, by their timestamps; for one that has not started, a line that says so. */
export async function* recentLogs(
  kubernetes: Kubernetes,
  pods: readonly NamedPod[],
  options: RecentOptions,
): AsyncGenerator<LogLine, void> {
  const { sinceMs } = options
  const logs = pods.map(async ({ name, pod }) => ({ server: name, lines: await recentLines(kubernetes, pod, options) }))
  yield* inOrder(await Promise.all(logs), sinceMs)
}

async function recentLines(
  kubernetes: Kubernetes,
  pod: Pod,
  { lines: count, sinceMs, signal }: RecentOptions,
): Promise<string[]> {
  const container = startedContainer(pod)
  if (!container) return [`(not started yet: ${whyNot(pod)})`]
  const sinceTime = sinceMs === undefined ? undefined : new Date(sinceMs).toISOString()
  const asked = { container: container.name, lines: count, previous: false, sinceTime, signal }
  return (await tailOf(kubernetes, pod, asked)).split('\n').filter((line) => line !== '')
}

export interface FollowOptions {
  readonly namespace: string
  /** How many of a running pod's last lines. */
  readonly lines: number
  /** Only what was written then or later, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly signal: AbortSignal
  /** Which pods' lines are wanted, and under which names; called after each change. */
  choose(pods: readonly Pod[]): readonly NamedPod[]
}

/**
 * The lines of all chosen pods as they arrive, across restarts, redeployments and broken connections, until the signal
 * is aborted. Pods that have not started, or are created later, are waited for.
 */
export async function* followLogs(kubernetes: Kubernetes, options: FollowOptions): AsyncGenerator<LogLine, void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const queue = createQueue<LogLine>(queueLines)
  const following = followAll(kubernetes, options, queue, signal).then(
    () => queue.close(),
    (error: unknown) => (signal.aborted ? queue.close() : queue.close(error)),
  )
  const end = () => queue.close()
  options.signal.addEventListener('abort', end, { once: true })
  try {
    yield* queue.read()
  } finally {
    options.signal.removeEventListener('abort', end)
    stop.abort()
    queue.close()
    await following
  }
}

interface Follower {
  name: string
  pod: Pod | undefined
  /** Rings when the pod changes or goes. */
  readonly bell: ReturnType<typeof createBell>
}

async function followAll(
  kubernetes: Kubernetes,
  options: FollowOptions,
  queue: Queue<LogLine>,
  signal: AbortSignal,
): Promise<void> {
  const pods = watched(kubernetes, { path: podsPath(options.namespace), schema: podSchema })
  const followers = new Map<string, Follower>()
  let begun = false

  function follow(uid: string, follower: Follower): void {
    followers.set(uid, follower)
    // For a pod that is created meanwhile, every line is new.
    const tail = begun ? undefined : options.lines
    followPod(kubernetes, follower, { tail, sinceMs: options.sinceMs }, queue, signal).catch((error: unknown) => {
      if (!signal.aborted) queue.close(error)
    })
  }

  await pods.run(signal, () => {
    const there = new Map([...pods.items.values()].map((pod) => [pod.metadata.uid, pod]))
    for (const { name, pod } of options.choose([...pods.items.values()])) {
      const follower = followers.get(pod.metadata.uid)
      if (follower) follower.name = name
      else follow(pod.metadata.uid, { name, pod, bell: createBell() })
    }
    begun = true
    for (const [uid, follower] of followers) {
      follower.pod = there.get(uid)
      follower.bell.ring()
      if (!follower.pod) followers.delete(uid)
    }
  })
}

/** Follows one pod until it is gone. */
async function followPod(
  kubernetes: Kubernetes,
  follower: Follower,
  { tail, sinceMs }: { tail: number | undefined; sinceMs: number | undefined },
  queue: Queue<LogLine>,
  signal: AbortSignal,
): Promise<void> {
  // Lines up to this time have been seen, or are not wanted.
  let last = sinceMs === undefined ? '' : stampOf(sinceMs - 1)
  for (let tailLines = tail; follower.pod && !signal.aborted; ) {
    const container = startedContainer(follower.pod)
    if (!container) {
      await follower.bell.rung()
      continue
    }
    const { metadata } = follower.pod
    try {
      const query = {
        container: container.name,
        follow: true,
        timestamps: true,
        tailLines,
        ...(last && { sinceTime: last }),
      }
      const object = `log of ${metadata.namespace}/${metadata.name}`
      const request = {
        path: `${podsPath(metadata.namespace)}/${metadata.name}/log`,
        query,
        accept: '*/*',
        object,
        signal,
      }
      for await (const line of lines(kubernetes, request)) {
        const { time, text } = stamped(line)
        // sinceTime has whole seconds, so lines already seen come again.
        if (time <= last) continue
        last = time
        tailLines = undefined
        await queue.push({ server: follower.name, text })
      }
    } catch (error) {
      signal.throwIfAborted()
      // The container does not exist yet (400), its pod is gone (404), or the connection broke.
      if (!(isPassing(error) || (error instanceof Failure && (error.kind === 'invalid' || error.kind === 'not-found'))))
        throw error
    }
    await wait(againMs, kubernetes.clock, signal)
    await untilRestarted(follower, container.restartCount)
  }
}

/** A container that has ended logs nothing more before it is restarted. */
async function untilRestarted(follower: Follower, restarts: number): Promise<void> {
  for (;;) {
    const container = follower.pod && startedContainer(follower.pod)
    if (!container || container.state.running || container.restartCount > restarts) return
    await follower.bell.rung()
  }
}

/** kubelet prefixes each line with the time, always with nine digits after the second, so that it sorts as text. */
function stamped(line: string): { time: string; text: string } {
  const at = line.indexOf(' ')
  return { time: line.slice(0, at), text: line.slice(at + 1) }
}

/** The time as kubelet writes it. @param ms since 1970 */
function stampOf(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000000Z')
}

/** The server's container, once it has started for the first time: from then on it has a log. */
function startedContainer({ status }: Pod) {
  const [container] = status.containerStatuses ?? []
  if (!container) return undefined
  const { state, lastState } = container
  return state.running || state.terminated || lastState?.terminated ? container : undefined
}

function whyNot({ status }: Pod): string {
  const waiting = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].find(
    ({ state }) => state.waiting,
  )
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled')
  return waiting?.state.waiting?.reason ?? scheduled?.reason ?? status.phase
}
