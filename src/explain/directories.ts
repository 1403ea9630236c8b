import { checkedDigest, type Digest, digestText, sameDigest } from '../core/digest.ts'
import { ifWellFormed } from '../core/failure.ts'
import { re } from '../wire/proto.ts'
import { fromTimestamp } from '../wire/time.ts'
import type { Entry, InputDifference, Unknown } from './difference.ts'

/** The same path in both trees; undefined where a tree has no directory there. */
export interface Pair {
  readonly path: string
  readonly one: Digest | undefined
  readonly other: Digest | undefined
}

/** How two directories themselves differ; paths are relative to them. */
export interface Local {
  readonly differences: readonly InputDifference[]
  readonly unknown: readonly Unknown[]
  readonly below: readonly Pair[]
}

const emptyDirectory = re.Directory.decode(new Uint8Array())

/** @param found the directories that were loaded, by `hash/size` */
export function compareDirectories({ one, other }: Pair, found: ReadonlyMap<string, re.Directory>): Local {
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
