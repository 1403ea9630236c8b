import { setImmediate } from 'node:timers/promises'
import type { ActionMark, BuildRecord, LocalHistory } from '../core/build-history.ts'
import type { CauseOfMany } from './cause.ts'
import { grouped } from './grouping.ts'
import type { Round, Settled } from './settled.ts'
import { createWhy, type Explained } from './why.ts'

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
  /** Of those considered, actions that have not been read from the cache: what they are is not known, or not yet. */
  readonly unread: number
  /** Actions beyond those considered. */
  readonly cut: number
  /** The one build that all of its actions were compared with that were compared with any; absent if there are others. */
  readonly onlyAgainst?: string
}

/** Which actions of a build. */
export interface Subject {
  readonly target?: string
  readonly hashPrefix?: string
}

const actionsMax = 100_000
const pageMax = 2_000
const causesMax = 50
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
  /** What was found of the whole build before, compared with any. */
  readonly settled?: Settled | undefined
}

/**
 * Why the actions of a build were not in the cache. Every action counts once, under the cause that explains most
 * actions, so that a thousand misses from one changed header are one cause. Yields to the event loop.
 */
export async function explainBuild(
  history: LocalHistory,
  build: BuildRecord,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const round = options.settled?.begin()
  const { missed, hits, unread, cut } = await marksOf(history, build, options, round)
  const found = new Map<number, Explained>()
  for (const mark of missed) {
    const known = round?.of(mark)
    if (known) found.set(mark.row, known)
  }
  const open = missed.filter(({ row }) => !found.has(row))
  await explainEach(history, open, options, (mark, explained) => {
    found.set(mark.row, explained)
    round?.keep(mark, explained)
  })
  const all = missed.flatMap(({ row }) => found.get(row) ?? [])
  const causes = grouped(all)
  const rest = causes.slice(causesMax)
  return {
    build,
    actions: hits + missed.length,
    hits,
    causes: causes.slice(0, causesMax),
    more: { causes: rest.length, actions: rest.reduce((sum, each) => sum + each.actions, 0) },
    unread,
    cut,
    ...onlyAgainst(all),
  }
}

function onlyAgainst(all: readonly Explained[]): Pick<Explanation, 'onlyAgainst'> {
  const [build, ...others] = new Set(all.flatMap(({ against }) => against?.build ?? []))
  return build === undefined || others.length > 0 ? {} : { onlyAgainst: build }
}

/** Explains those actions of a build that goes on of which all has been heard, so that they are known when it ends. */
export async function explainSettled(
  history: LocalHistory,
  build: BuildRecord,
  settled: Settled,
  signal?: AbortSignal,
): Promise<void> {
  const options = signal ? { signal } : {}
  const round = settled.begin()
  const { missed } = await marksOf(history, build, options, round)
  const open = missed.filter((mark) => round.takes(mark) && !round.of(mark))
  await explainEach(history, open, options, round.keep)
}

async function explainEach(
  history: LocalHistory,
  marks: readonly ActionMark[],
  { against, signal }: ExplainOptions,
  done: (mark: ActionMark, explained: Explained) => void,
): Promise<void> {
  const why = createWhy(history, against)
  for (const some of slices(marks, lookedUpMax)) {
    await setImmediate()
    signal?.throwIfAborted()
    const byRow = new Map(some.map((mark) => [mark.row, mark]))
    const actions = await history.records([...byRow.keys()])
    const predecessors = await why.lookUp(actions)
    for (const few of slices(actions, parallelMax)) {
      await setImmediate()
      signal?.throwIfAborted()
      const explained = await Promise.all(few.map((action) => why.explain(action, predecessors)))
      for (const each of explained) {
        const mark = byRow.get(each.action.row)
        if (mark) done(mark, each)
      }
    }
  }
}

function* slices<T>(all: readonly T[], max: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += max) yield all.slice(at, at + max)
}

/** A page is read in one turn of the event loop; hits are only counted. */
async function marksOf(
  history: LocalHistory,
  build: BuildRecord,
  { subject, signal }: ExplainOptions,
  round: Round | undefined,
): Promise<{ missed: readonly ActionMark[] } & Pick<Explanation, 'hits' | 'unread' | 'cut'>> {
  const missed: ActionMark[] = []
  let [hits, unread] = [0, 0]
  for (let after = 0; missed.length + hits < actionsMax; ) {
    signal?.throwIfAborted()
    const page = await history.marks({ build: build.id, ...subject, limit: pageMax, after })
    round?.look(page)
    const found = page.filter(({ outcome }) => outcome !== 'hit')
    missed.push(...found)
    hits += page.length - found.length
    unread += page.filter(({ isUnread }) => isUnread).length
    if (page.length < pageMax) {
      round?.looked()
      return { missed, hits, unread, cut: 0 }
    }
    after = page.at(-1)?.row ?? after
    await setImmediate()
  }
  return { missed, hits, unread, cut: Math.max(0, build.actions - missed.length - hits) }
}
