import type { ActionRecord } from '../core/build-history.ts'
import { digestText } from '../core/digest.ts'
import {
  type Against,
  type Cause,
  type CauseKind,
  type CauseOfMany,
  causeKey,
  type Example,
  firstLink,
  type Root,
} from './cause.ts'
import type { Explained } from './why.ts'

const examplesMax = 3

/** Actions by their causes: most actions first, then most seconds. */
export function grouped(all: readonly Explained[]): CauseOfMany[] {
  const groups = new Map<string, { cause: Cause; members: { explained: Explained; root: Root }[] }>()
  for (const [explained, root] of attributed(all)) {
    const key = causeKey(root.cause)
    const group = groups.get(key) ?? { cause: root.cause, members: [] }
    group.members.push({ explained, root })
    groups.set(key, group)
  }
  const direct = directly(all, groups)
  return [...groups]
    .map(([key, { cause, members }]) => told(cause, members, direct.get(key)?.size ?? 0))
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

/** The actions that have each of these causes themselves. */
function directly(all: readonly Explained[], causes: ReadonlyMap<string, unknown>): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { action, roots } of all)
    for (const root of roots) {
      const key = causeKey(root.cause)
      if (!causes.has(key)) continue
      const actions = found.get(key) ?? new Set()
      found.set(key, actions.add(firstLink({ ...root.cause, chain: root.chain })?.action ?? digestText(action.digest)))
    }
  return found
}

function told(cause: Cause, members: readonly { explained: Explained; root: Root }[], direct: number): CauseOfMany {
  const slowest = members.toSorted((a, b) => secondsOf(b.explained.action) - secondsOf(a.explained.action))
  const longest = members.reduce((a, b) => (b.root.chain.length > a.root.chain.length ? b : a))
  return {
    ...cause,
    actions: members.length,
    direct,
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

function evictedSpan(kind: CauseKind, actions: readonly Explained['action'][]): CauseOfMany['evictedMs'] {
  if (kind !== 'evicted' && kind !== 'incomplete') return null
  const spans = actions.flatMap(({ lookup }) => (lookup?.evictedMs === undefined ? [] : [lookup.evictedMs]))
  if (spans.length === 0) return null
  return {
    least: spans.reduce((a, b) => Math.min(a, b)),
    most: spans.reduce((a, b) => Math.max(a, b)),
  }
}

/** The duration of an action wherever it ran, without the time in which it waited for a worker. */
function secondsOf({ times }: Pick<ActionRecord, 'times'>): number {
  const began = times.workerStart ?? times.runStart
  const ended = times.workerEnd ?? times.runEnd
  return began === undefined || ended === undefined ? 0 : Math.max(0, ended - began) / 1000
}
