import { z } from 'zod'
import { backoffMs } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { wait } from '../../host/wait.ts'
import { parseAnswer } from './answer.ts'
import { call, lines } from './call.ts'
import type { ApiRequest, Kubernetes } from './connect.ts'
import { apiStatus, isPassing, statusCodeOf, statusFailure } from './failure.ts'

/** A list of the API, as `path` and `query` give it. */
export interface WatchSource<T> {
  readonly path: string
  readonly query?: ApiRequest['query']
  readonly schema: z.ZodType<T>
}

/** A list that is kept up to date with the cluster while it runs. */
export interface Watched<T> {
  /** By namespace and name. */
  readonly items: ReadonlyMap<string, T>
  /** False until it has been read once. */
  readonly listed: boolean
  /** Reads and watches until the signal aborts; `changed` is called after each change. */
  run(signal: AbortSignal, changed: () => void): Promise<void>
}

/** The server ends a watch after this time, and we start the next. */
const watchSeconds = 240
/** The pause before a watch that ended without an error is restarted. */
const again = { msMin: 50, msMax: 2_000 }

const named = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) })
const list = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: z.array(z.unknown()).default([]) })
const event = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.looseObject({}),
})
const versioned = z.object({ metadata: z.object({ resourceVersion: z.string() }) })

/**
 * Lists once and watches from there. A connection that breaks or is closed by the server is resumed where it was; if
 * the server has forgotten that position (410 Gone), everything is listed again.
 */
export function watched<T>(kubernetes: Kubernetes, source: WatchSource<T>): Watched<T> {
  const state = { items: new Map<string, T>(), listed: false }
  return {
    get items() {
      return state.items
    },
    get listed() {
      return state.listed
    },
    async run(signal, changed) {
      while (!signal.aborted) {
        const version = await relist(kubernetes, source, state, signal)
        changed()
        await follow(kubernetes, source, state, version, signal, changed)
      }
    },
  }
}

interface State<T> {
  items: Map<string, T>
  listed: boolean
}

async function relist<T>(
  kubernetes: Kubernetes,
  source: WatchSource<T>,
  state: State<T>,
  signal: AbortSignal,
): Promise<string> {
  const request = { path: source.path, ...(source.query && { query: source.query }) }
  const { body } = await call(kubernetes, { ...request, object: source.path, signal })
  const { metadata, items } = list.parse(body)
  state.items = new Map(items.map((each) => [keyOf(each), source.schema.parse(each)]))
  state.listed = true
  return metadata.resourceVersion
}

/** Watches from a version on; returns when a new list is needed. */
async function follow<T>(
  kubernetes: Kubernetes,
  source: WatchSource<T>,
  state: State<T>,
  version: string,
  signal: AbortSignal,
  changed: () => void,
): Promise<void> {
  let from = version
  for (let failures = 1; !signal.aborted; failures += 1) {
    let opened = false
    const began = () => {
      opened = true
    }
    try {
      for await (const line of watchLines(kubernetes, source, from, signal, began)) {
        failures = 1
        from = take(source, state, line)
        changed()
      }
    } catch (error) {
      signal.throwIfAborted()
      if (statusCodeOf(error) === 410) return
      // A truncated line is not JSON; it will come again. If the watch cannot even start, patience has run out.
      if (!(opened && (isPassing(error) || error instanceof SyntaxError))) throw error
    }
    await wait(backoffMs(failures, again), kubernetes.clock, signal)
  }
}

function watchLines<T>(
  kubernetes: Kubernetes,
  source: WatchSource<T>,
  from: string,
  signal: AbortSignal,
  began: () => void,
) {
  const query = { ...source.query, watch: true, allowWatchBookmarks: true, timeoutSeconds: watchSeconds }
  const request = { path: source.path, query: { ...query, resourceVersion: from }, object: source.path, signal }
  return lines(kubernetes, request, began)
}

/** Applies an event. @returns its version @throws Failure for an error event */
function take<T>(source: WatchSource<T>, state: State<T>, line: string): string {
  const { type, object } = event.parse(parseAnswer(line))
  if (type === 'ERROR') {
    const status = apiStatus.parse(object)
    const code = status.code ?? 500
    throw statusFailure(code, status, source.path, Object.assign(new Error('the watch ended'), { code }))
  }
  if (type === 'DELETED') state.items.delete(keyOf(object))
  else if (type !== 'BOOKMARK') state.items.set(keyOf(object), source.schema.parse(object))
  return versioned.parse(object).metadata.resourceVersion
}

function keyOf(value: unknown): string {
  const { name, namespace = '' } = named.parse(value).metadata
  return `${namespace}/${name}`
}

/** Says that waiting is over, or when to check again even if nothing changes. */
export type Decision = 'done' | { readonly againMs?: number }

export interface UntilOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly msMax: number
}

/**
 * Runs watches until `decide` says that it is done. It is called when everything has been listed, after every change,
 * and once more at the deadline, when it throws what is still missing.
 * @throws what decide or a watch throws; the signal's reason
 */
export async function until(
  watches: readonly Watched<unknown>[],
  options: UntilOptions,
  decide: (expired: boolean) => Promise<Decision>,
): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const bell = createBell()
  let expired = false
  const cancelEnd = options.clock.after(options.msMax, () => {
    expired = true
    bell.ring()
  })
  let cancelAgain: () => void = () => undefined
  const runs = Promise.all(watches.map((each) => each.run(signal, bell.ring)))
  try {
    for (;;) {
      await Promise.race([bell.rung(), runs])
      options.signal.throwIfAborted()
      if (!expired && !watches.every(({ listed }) => listed)) continue
      cancelAgain()
      const decision = await decide(expired)
      if (decision === 'done') return
      if (decision.againMs !== undefined) cancelAgain = options.clock.after(decision.againMs, bell.ring)
    }
  } finally {
    cancelEnd()
    cancelAgain()
    stop.abort()
    // What they throw now is only that they were stopped, or was already thrown by the race.
    await Promise.allSettled([runs])
  }
}

/** Rings for one listener; several rings in between count as one. */
export function createBell(): { ring(): void; rung(): Promise<void> } {
  let heard = Promise.withResolvers<void>()
  return {
    ring: () => heard.resolve(),
    async rung() {
      await heard.promise
      heard = Promise.withResolvers<void>()
    },
  }
}
