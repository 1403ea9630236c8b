import { checkedDigest, type Digest, digestText, sameDigest } from '../core/digest.ts'
import { ifWellFormed } from '../core/failure.ts'
import { treeDepthMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import { fromTimestamp } from '../wire/time.ts'
import type { Entry, InputDifference, Unknown } from './difference.ts'
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
const emptyDirectory = re.Directory.decode(new Uint8Array())

/** The same path in both trees; undefined where a tree has no directory there. */
interface Pair {
  readonly path: string
  readonly one: Digest | undefined
  readonly other: Digest | undefined
}

/** How two directories themselves differ; paths are relative to them. */
interface Local {
  readonly differences: readonly InputDifference[]
  readonly unknown: readonly Unknown[]
  readonly below: readonly Pair[]
}

/** Caches the differences of pairs of directories, for trees that share folders or changes. */
export interface KnownPairs {
  readonly locals: Map<string, Local>
  readonly replacements: Replacements<Local>
}
const knownPairsMax = 20_000

export function createKnownPairs(): KnownPairs {
  return { locals: new Map(), replacements: createReplacements() }
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
      await learn(pairs, load, known)
      for (const pair of pairs) {
        const local = known.locals.get(keyOf(pair))
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

function keyOf({ one, other }: Pair): string {
  return `${one ? digestText(one) : ''} ${other ? digestText(other) : ''}`
}

/** Compares those pairs that are not cached yet. */
async function learn(pairs: readonly Pair[], load: Load, { locals, replacements }: KnownPairs): Promise<void> {
  if (locals.size + pairs.length > knownPairsMax) locals.clear()
  const fresh = pairs.filter((pair) => !locals.has(keyOf(pair)))
  if (fresh.length === 0) return
  const open = replacements.isEmpty ? fresh : await learnFromOne(fresh, load, { locals, replacements })
  const bytes = await directoriesOf(open, load)
  const decoded = new Map(
    [...bytes].flatMap(([key, blob]): [string, re.Directory][] => {
      const directory = ifWellFormed(() => decodeAs(re.Directory, blob, key, 'a Directory'))
      return directory ? [[key, directory]] : []
    }),
  )
  for (const pair of open) {
    const local = localOf(pair, decoded)
    locals.set(keyOf(pair), local)
    const [one, other] = [pair.one, pair.other].map((digest) => digest && bytes.get(digestText(digest)))
    if (one && other) replacements.note(one, other, local)
  }
}

/** Of many pairs the first one may explain the rest. @returns the others */
async function learnFromOne(
  pairs: readonly Pair[],
  load: Load,
  { locals, replacements }: KnownPairs,
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

function localOf({ one, other }: Pair, found: ReadonlyMap<string, re.Directory>): Local {
  const differences: InputDifference[] = []
  const unknown: Unknown[] = []
  const below: Pair[] = []
  const local = { differences, unknown, below }
  const directory = (digest: Digest | undefined, side: 'one' | 'other') => {
    if (!digest || digest.size === 0) return { directory: emptyDirectory, children: new Map<string, Digest>() }
    const known = found.get(digestText(digest))
    const children = known && ifWellFormed(() => childrenOf(known, digest.fn))
    if (children) return { directory: known, children }
    // It was not uploaded, or is none.
    unknown.push({ what: 'input tree', side, path: '', digest: digestText(digest) })
    return undefined
  }
  const [was, is] = [directory(one, 'one'), directory(other, 'other')]
  if (!was || !is) return local
  const [before, after] = [was.directory, is.directory]
  if (!one !== !other && isEmpty(one ? before : after)) {
    const entry = directoryEntry(one ? before : after)
    differences.push({ path: '', one: one ? entry : null, other: other ? entry : null })
    return local
  }
  if (one && other) compareProperties(before, after, differences)
  const [entries, otherEntries] = [entriesOf(before), entriesOf(after)]
  for (const name of new Set([...was.children.keys(), ...is.children.keys()])) {
    const [child, otherChild] = [was.children.get(name), is.children.get(name)]
    // A directory in one tree in place of something else in the other is one difference.
    if (child && otherEntries.has(name)) entries.set(name, directoryEntry(emptyDirectory))
    else if (otherChild && entries.has(name)) otherEntries.set(name, directoryEntry(emptyDirectory))
    else if (!child || !otherChild || !sameDigest(child, otherChild))
      below.push({ path: name, one: child, other: otherChild })
  }
  compareEntries(entries, otherEntries, differences)
  return local
}

function isEmpty({ files, directories, symlinks }: re.Directory): boolean {
  return files.length + directories.length + symlinks.length === 0
}

function childrenOf({ directories }: re.Directory, fn: Digest['fn']): ReadonlyMap<string, Digest> {
  return new Map(
    directories.map(({ name, digest }) => [
      name ?? '',
      checkedDigest(fn, digest?.hash ?? '', digest?.sizeBytes ?? 0, `the directory ${JSON.stringify(name ?? '')}`),
    ]),
  )
}

/** The directory's own node properties. */
function compareProperties(one: re.Directory, other: re.Directory, differences: InputDifference[]): void {
  const [before, after] = [directoryEntry(one), directoryEntry(other)]
  if (!sameEntry(before, after)) differences.push({ path: '', one: before, other: after })
}

function compareEntries(
  before: ReadonlyMap<string, Entry>,
  after: ReadonlyMap<string, Entry>,
  differences: InputDifference[],
): void {
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(name) ?? null, after.get(name) ?? null]
    if (!was || !is || !sameEntry(was, is)) differences.push({ path: name, one: was, other: is })
  }
}

/** Files and symlinks. */
function entriesOf({ files, symlinks }: re.Directory): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  for (const { name, digest, isExecutable, nodeProperties } of files)
    entries.set(name ?? '', {
      kind: 'file',
      digest: `${digest?.hash ?? ''}/${digest?.sizeBytes ?? 0}`,
      executable: isExecutable ?? false,
      target: null,
      properties: propertiesOf(nodeProperties),
    })
  for (const { name, target, nodeProperties } of symlinks)
    entries.set(name ?? '', {
      kind: 'symlink',
      digest: null,
      executable: false,
      target: target ?? '',
      properties: propertiesOf(nodeProperties),
    })
  return entries
}

function directoryEntry({ nodeProperties }: re.Directory): Entry {
  return {
    kind: 'directory',
    digest: null,
    executable: false,
    target: null,
    properties: propertiesOf(nodeProperties),
  }
}

function propertiesOf(properties: re.NodeProperties.$Properties | null | undefined): Readonly<Record<string, string>> {
  if (!properties) return {}
  const { mtime, unixMode } = properties
  return Object.fromEntries([
    ...(properties.properties ?? []).map(({ name, value }) => [name ?? '', value ?? '']),
    ...(mtime ? [['mtime', new Date(fromTimestamp(mtime)).toISOString()]] : []),
    ...(unixMode ? [['unix_mode', (unixMode.value ?? 0).toString(8).padStart(4, '0')]] : []),
  ])
}

function sameEntry(one: Entry, other: Entry): boolean {
  return (
    one.kind === other.kind &&
    one.digest === other.digest &&
    one.executable === other.executable &&
    one.target === other.target &&
    JSON.stringify(Object.entries(one.properties).sort()) === JSON.stringify(Object.entries(other.properties).sort())
  )
}

function joined(path: string, name: string): string {
  return path === '' || name === '' ? path + name : `${path}/${name}`
}

function byPath(one: InputDifference, other: InputDifference): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0
}
