import { setImmediate } from 'node:timers/promises'
import type { ActionRecord, BuildHistory, BuildRecord, LocalHistory } from '../core/build-history.ts'
import { digestText } from '../core/digest.ts'
import { type Cause, type CauseKind, causeKey, type Root } from './cause.ts'
import { createWhy, type Explained } from './why.ts'

/** A cause with everything that it explains. */
export interface CauseOfMany extends Cause {
  /** Actions with this cause, and how many of them have other causes too. */
  readonly actions: number
  readonly notAlone: number
  /** The duration of these actions, from when a worker or the client began until it ended. */
  readonly seconds: number
  /** The longest chain from the cause to one of them. */
  readonly chain: Root['chain']
  /** Some of them, slowest first. */
  readonly examples: readonly Example[]
  /** The build that most of them were compared with; null if there was none. */
  readonly against: Against | null
  /**
   * How long before the lookup the result, or a blob that it references, was evicted, in milliseconds: minimum and
   * maximum.
   */
  readonly evictedMs: { readonly least: number; readonly most: number } | null
}

export interface Example {
  readonly target: string
  readonly mnemonic: string
  /** `hash/size`. */
  readonly action: string
  readonly output: string
  readonly seconds: number
  /** The action that it was compared with, `hash/size`; null if there was none. */
  readonly against: string | null
}

/** A build that others were compared with. */
export interface Against {
  readonly build: string
  /** When its action was first seen, in milliseconds since 1970. */
  readonly seen: number
}

/** Why actions were not cached, worst first. */
export interface Explanation {
  readonly build: BuildRecord
  /** Actions considered: those of the build, or of one target, output or digest in it. */
  readonly actions: number
  /** Of these, the cache hits. */
  readonly hits: number
  readonly causes: readonly CauseOfMany[]
  /** Causes that are not listed, and their actions. */
  readonly more: { readonly causes: number; readonly actions: number }
  /** Actions beyond those considered. */
  readonly cut: number
}

/** Which actions of a build. */
export interface Subject {
  readonly target?: string
  readonly hashPrefix?: string
}

const actionsMax = 100_000
const pageMax = 2_000
const causesMax = 50
const examplesMax = 3
/** Actions whose predecessors are looked up together; the history splits what would take too long for one turn. */
const lookedUpMax = 100
/**
 * Of these, actions compared concurrently: their messages are loaded and compared between two turns of the event loop.
 */
const parallelMax = 16

export interface ExplainOptions {
  /** All actions when absent. */
  readonly subject?: Subject
  /** Compares with this build only, by its full id. */
  readonly against?: string
  /** Ends the work. */
  readonly signal?: AbortSignal
}

/**
 * Why the actions of a build were not in the cache. Every action counts once, under the cause that explains most
 * actions, so that a thousand misses from one changed header are one cause. Yields to the event loop.
 */
export async function explainBuild(
  history: LocalHistory,
  build: BuildRecord,
  { subject = {}, against, signal }: ExplainOptions = {},
): Promise<Explanation> {
  const { missed, hits, cut } = await actionsOf(history, build, subject, signal)
  const why = createWhy(history, against)
  const explained: Explained[] = []
  for (const some of slices(missed, lookedUpMax)) {
    await setImmediate()
    signal?.throwIfAborted()
    const candidates = await why.candidates(some)
    for (const few of slices(some, parallelMax)) {
      await setImmediate()
      signal?.throwIfAborted()
      explained.push(...(await Promise.all(few.map((action) => why.explain(action, candidates)))))
    }
  }
  const causes = grouped(explained)
  const rest = causes.slice(causesMax)
  return {
    build,
    actions: hits + missed.length,
    hits,
    causes: causes.slice(0, causesMax),
    more: { causes: rest.length, actions: rest.reduce((sum, each) => sum + each.actions, 0) },
    cut,
  }
}

function* slices<T>(all: readonly T[], max: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += max) yield all.slice(at, at + max)
}

/** A page is read in one turn of the event loop; hits are only counted. */
async function actionsOf(
  history: BuildHistory,
  build: BuildRecord,
  subject: Subject,
  signal: AbortSignal | undefined,
): Promise<{ missed: readonly ActionRecord[]; hits: number; cut: number }> {
  const missed: ActionRecord[] = []
  let hits = 0
  for (let after = 0; missed.length + hits < actionsMax; ) {
    signal?.throwIfAborted()
    const page = await history.actions({ build: build.id, ...subject, limit: pageMax, after })
    const found = page.filter(({ outcome }) => outcome !== 'hit')
    missed.push(...found)
    hits += page.length - found.length
    if (page.length < pageMax) return { missed, hits, cut: 0 }
    after = page.at(-1)?.row ?? after
    await setImmediate()
  }
  return { missed, hits, cut: Math.max(0, build.actions - missed.length - hits) }
}

/** Most actions first, then most seconds. */
function grouped(all: readonly Explained[]): CauseOfMany[] {
  const groups = new Map<string, { cause: Cause; members: { explained: Explained; root: Root }[] }>()
  for (const [explained, root] of attributed(all)) {
    const key = causeKey(root.cause)
    const group = groups.get(key) ?? { cause: root.cause, members: [] }
    group.members.push({ explained, root })
    groups.set(key, group)
  }
  return [...groups.values()]
    .map(({ cause, members }) => told(cause, members))
    .sort((a, b) => b.actions - a.actions || b.seconds - a.seconds || (causeKey(a) < causeKey(b) ? -1 : 1))
}

/** Assigns to each action the most common of its causes; among equals, the easiest to name. */
function attributed(all: readonly Explained[]): [Explained, Root][] {
  const counts = new Map<string, number>()
  for (const { roots } of all)
    for (const root of roots) {
      const key = causeKey(root.cause)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  const count = (root: Root) => counts.get(causeKey(root.cause)) ?? 0
  return all.flatMap((explained): [Explained, Root][] => {
    const [first, ...others] = explained.roots
    if (!first) return []
    const best = others.reduce((a, b) => (count(b) > count(a) ? b : a), first)
    return [[explained, best]]
  })
}

function told(cause: Cause, members: readonly { explained: Explained; root: Root }[]): CauseOfMany {
  const slowest = members.toSorted((a, b) => secondsOf(b.explained.action) - secondsOf(a.explained.action))
  const longest = members.reduce((a, b) => (b.root.chain.length > a.root.chain.length ? b : a))
  return {
    ...cause,
    actions: members.length,
    notAlone: members.filter(({ explained }) => explained.roots.length > 1).length,
    seconds: members.reduce((sum, { explained }) => sum + secondsOf(explained.action), 0),
    chain: longest.root.chain,
    examples: slowest.slice(0, examplesMax).map(({ explained }) => exampleOf(explained)),
    against: usualAgainst(members.map(({ explained }) => explained)),
    evictedMs: evictedSpan(
      cause.kind,
      members.map(({ explained }) => explained.action),
    ),
  }
}

function exampleOf({ action, against }: Explained): Example {
  const { target, mnemonic, digest, firstOutput } = action
  return {
    target,
    mnemonic,
    action: digestText(digest),
    output: firstOutput,
    seconds: secondsOf(action),
    against: against ? digestText(against.digest) : null,
  }
}

function usualAgainst(all: readonly Explained[]): Against | null {
  const builds = new Map<string, { against: Against; count: number }>()
  for (const { against } of all) {
    if (!against) continue
    const known = builds.get(against.build) ?? { against: { build: against.build, seen: against.firstSeen }, count: 0 }
    known.count += 1
    builds.set(against.build, known)
  }
  return [...builds.values()].sort((a, b) => b.count - a.count)[0]?.against ?? null
}

function evictedSpan(kind: CauseKind, actions: readonly ActionRecord[]): CauseOfMany['evictedMs'] {
  if (kind !== 'evicted' && kind !== 'incomplete') return null
  const spans = actions.flatMap(({ lookup }) => (lookup?.evictedMs === undefined ? [] : [lookup.evictedMs]))
  if (spans.length === 0) return null
  return {
    least: spans.reduce((a, b) => Math.min(a, b)),
    most: spans.reduce((a, b) => Math.max(a, b)),
  }
}

/** The duration of an action wherever it ran, without the time in which it waited for a worker. */
function secondsOf({ times }: ActionRecord): number {
  const began = times.workerStart ?? times.runStart
  const ended = times.workerEnd ?? times.runEnd
  return began === undefined || ended === undefined ? 0 : Math.max(0, ended - began) / 1000
}
