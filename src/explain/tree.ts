import { type Digest, digestText, sameDigest } from '../core/digest.ts'
import { ifWellFormed } from '../core/failure.ts'
import { treeDepthMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { InputDifference, Unknown } from './difference.ts'
import { compareDirectories, type Local, type Pair } from './directories.ts'
import { decodeAs, type Load, loadable } from './load.ts'
import { createReplacements, type Replacements } from './replacements.ts'

/** How two input trees differ. */
export interface TreeComparison {
  readonly differences: readonly InputDifference[]
  readonly unknown: readonly Unknown[]
  /** More directories differ than were compared. */
  readonly cut: boolean
}

/** Pairs of directories in one comparison, and in one batch of it. */
const pairsMax = 20_000
const pairsPerLoadMax = 500
/** Differences that are counted. */
const differencesMax = 100_000

/** Caches the differences of pairs of directories, for trees that share folders or changes. */
export interface KnownPairs extends Directories {
  /** Of whole trees, by the difference of their roots. */
  readonly trees: WeakMap<Local, TreeComparison>
}
interface Directories {
  readonly locals: Map<string, Local>
  readonly replacements: Replacements<Local>
}
const knownPairsMax = 20_000

export function createKnownPairs(): KnownPairs {
  return { locals: new Map(), replacements: createReplacements(), trees: new WeakMap() }
}

/**
 * Compares two input trees, descending only where digests of directories differ. A directory in only one tree is listed
 * file by file.
 * @param known from earlier comparisons with the same digest function
 */
export async function compareTrees(
  one: Digest,
  other: Digest,
  load: Load,
  known: KnownPairs = createKnownPairs(),
): Promise<TreeComparison> {
  const differences: InputDifference[] = []
  const unknown: Unknown[] = []
  if (sameDigest(one, other)) return { differences, unknown, cut: false }
  let level: Pair[] = [{ path: '', one, other }]
  let looked = 0
  let cut = false
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: Pair[] = []
    if (depth > treeDepthMax || looked + level.length > pairsMax || differences.length > differencesMax) {
      cut = true
      break
    }
    looked += level.length
    for (let at = 0; at < level.length; at += pairsPerLoadMax) {
      const pairs = level.slice(at, at + pairsPerLoadMax)
      const locals = await localsOf(pairs, load, known)
      for (const pair of pairs) {
        const local = locals.get(keyOf(pair))
        if (!local) continue
        differences.push(...local.differences.map((each) => ({ ...each, path: joined(pair.path, each.path) })))
        unknown.push(...local.unknown.map((each) => ({ ...each, path: pair.path })))
        next.push(...local.below.map((each) => ({ ...each, path: joined(pair.path, each.path) })))
      }
    }
    level = next
  }
  return { differences: differences.sort(byPath), unknown, cut }
}

/**
 * Compares two input trees without reading anything, as far as earlier comparisons say how they differ.
 * @param one the root directory of the first
 * @returns undefined if they do not
 */
export function compareAlike(one: Uint8Array, other: Digest, known: KnownPairs): TreeComparison | undefined {
  const local = known.replacements.between(one, other)
  if (!local) return undefined
  const met = known.trees.get(local)
  if (met) return met
  const differences: InputDifference[] = []
  const level = [{ path: '', local }]
  for (let next = level.pop(); next; next = level.pop()) {
    const { path, local } = next
    if (local.unknown.length > 0 || differences.length > differencesMax) return undefined
    differences.push(...local.differences.map((each) => ({ ...each, path: joined(path, each.path) })))
    for (const pair of local.below) {
      const below = known.locals.get(keyOf(pair))
      if (!below || level.length > treeDepthMax) return undefined
      level.push({ path: joined(path, pair.path), local: below })
    }
  }
  const comparison = { differences: differences.sort(byPath), unknown: [], cut: false }
  known.trees.set(local, comparison)
  return comparison
}

function keyOf({ one, other }: Pair): string {
  return `${one ? digestText(one) : ''} ${other ? digestText(other) : ''}`
}

/**
 * The differences of each pair. Those that are not cached yet are compared, and cached. Other comparisons may empty the
 * cache meanwhile.
 */
async function localsOf(pairs: readonly Pair[], load: Load, known: KnownPairs): Promise<ReadonlyMap<string, Local>> {
  const found = new Map<string, Local>()
  const fresh = pairs.filter((pair) => {
    const local = known.locals.get(keyOf(pair))
    if (local) found.set(keyOf(pair), local)
    return !local
  })
  if (fresh.length === 0) return found
  await compareFresh(fresh, load, { locals: found, replacements: known.replacements })
  if (known.locals.size + fresh.length > knownPairsMax) known.locals.clear()
  for (const pair of fresh) {
    const local = found.get(keyOf(pair))
    if (local) known.locals.set(keyOf(pair), local)
  }
  return found
}

/** Adds the differences of pairs to `locals`. */
async function compareFresh(fresh: readonly Pair[], load: Load, { locals, replacements }: Directories): Promise<void> {
  const open = replacements.isEmpty ? fresh : await learnFromOne(fresh, load, { locals, replacements })
  const bytes = await directoriesOf(open, load)
  const decoded = new Map(
    [...bytes].flatMap(([key, blob]): [string, re.Directory][] => {
      const directory = ifWellFormed(() => decodeAs(re.Directory, blob, key, 'a Directory'))
      return directory ? [[key, directory]] : []
    }),
  )
  for (const pair of open) {
    const local = compareDirectories(pair, decoded)
    locals.set(keyOf(pair), local)
    const [one, other] = [pair.one, pair.other].map((digest) => digest && bytes.get(digestText(digest)))
    if (one && other) replacements.note(one, other, local)
  }
}

/** Of many pairs the first one may explain the rest. @returns the others */
async function learnFromOne(
  pairs: readonly Pair[],
  load: Load,
  { locals, replacements }: Directories,
): Promise<readonly Pair[]> {
  const ones = await directoriesOf(
    pairs.map(({ path, one, other }) => ({ path, one: other && one, other: undefined })),
    load,
  )
  return pairs.filter((pair) => {
    const bytes = pair.one && ones.get(digestText(pair.one))
    const local = bytes && pair.other && replacements.between(bytes, pair.other)
    if (local) locals.set(keyOf(pair), local)
    return !local
  })
}

/** Bytes by `hash/size`. */
function directoriesOf(pairs: readonly Pair[], load: Load): ReturnType<Load> {
  const digests = new Map<string, Digest>()
  for (const { one, other } of pairs)
    for (const digest of [one, other])
      if (digest && digest.size > 0 && loadable(digest)) digests.set(digestText(digest), digest)
  return load([...digests.values()])
}

function joined(path: string, name: string): string {
  return path === '' || name === '' ? path + name : `${path}/${name}`
}

function byPath(one: InputDifference, other: InputDifference): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0
}
