import { type Digest, digestFromWire, digestFunctions, digestKey } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { re } from '../wire/proto.ts'

/** Something that stands in a folder of an action's inputs or outputs. */
export interface TreeEntry {
  readonly name: string
  readonly kind: 'file' | 'folder' | 'symlink'
  /** Of a file; undefined of the others. */
  readonly digest?: Digest
  readonly executable?: boolean
  /** Of a symlink. */
  readonly target?: string
}

/** What stands at a path: the entries of a folder, or one that is none. */
export type Found = { readonly folder: readonly TreeEntry[] } | { readonly entry: TreeEntry }

/** A tree that is read as far as somebody looks into it. */
export interface Tree {
  /** @returns undefined where nothing stands there. @throws Failure 'not-found' where a folder's message is gone */
  at(path: readonly string[]): Promise<Found | undefined>
}

/** Bytes of a Directory or a Tree; undefined where nobody has them. */
export type ReadBlob = (digest: Digest) => Promise<Uint8Array | undefined>

/** The tree below a Directory. */
export function directoryTree(root: Digest, read: ReadBlob): Tree {
  const directory = async (digest: Digest): Promise<re.Directory> => {
    if (digest.size === 0) return re.Directory.decode(new Uint8Array())
    const bytes = await read(digest)
    if (bytes) return decoded(re.Directory, bytes, digest)
    throw new Failure('not-found', 'this folder is neither in the history nor in the cache any more', {
      where: digest.hash,
      next: ['With a cache alone, Bazel uploads no input trees; with remote execution it does.'],
    })
  }
  return {
    async at(path) {
      let current = await directory(root)
      for (const [at, name] of path.entries()) {
        const below = current.directories.find((each) => each.name === name)
        if (!below) {
          const entry =
            at === path.length - 1 ? entriesOf(current, root.fn).find((each) => each.name === name) : undefined
          return entry && { entry }
        }
        current = await directory(wireDigest(below.digest, root.fn))
      }
      return { folder: entriesOf(current, root.fn) }
    },
  }
}

/** The tree that a result names. @param fn of the action's digest */
export function resultTree(result: re.ActionResult, fn: Digest['fn'], read: ReadBlob): Tree {
  const entries = new Map<string, TreeEntry>()
  for (const { path, digest, isExecutable } of result.outputFiles)
    put(path, { kind: 'file', digest: wireDigest(digest, fn), executable: isExecutable ?? false })
  for (const { path, target } of [
    ...result.outputSymlinks,
    ...result.outputFileSymlinks,
    ...result.outputDirectorySymlinks,
  ])
    put(path, { kind: 'symlink', target: target ?? '' })
  const folders = result.outputDirectories.map((each) => ({ path: partsOf(each.path), each }))

  function put(path: string | null | undefined, entry: Omit<TreeEntry, 'name'>): void {
    const parts = partsOf(path)
    entries.set(parts.join('/'), { ...entry, name: parts.at(-1) ?? '' })
  }

  return {
    async at(path) {
      const entry = entries.get(path.join('/'))
      if (entry) return { entry }
      const inside = folders.find((folder) => begins(path, folder.path))
      if (inside) return (await outputTree(inside.each, fn, read)).at(path.slice(inside.path.length))
      const here = [...entries]
        .map(([whole, each]) => ({ parts: whole.split('/'), each }))
        .concat(
          folders.map(({ path: parts }) => ({ parts, each: { name: parts.at(-1) ?? '', kind: 'folder' as const } })),
        )
        .filter(({ parts }) => parts.length > path.length && begins(parts, path))
      if (here.length === 0 && path.length > 0) return undefined
      const listed = new Map<string, TreeEntry>()
      for (const { parts, each } of here) {
        const name = parts[path.length] ?? ''
        listed.set(name, parts.length === path.length + 1 ? each : { name, kind: 'folder' })
      }
      return { folder: sorted([...listed.values()]) }
    },
  }
}

/** An output directory: by its root Directory, or else by a Tree that has all of them. */
async function outputTree(output: re.OutputDirectory.$Properties, fn: Digest['fn'], read: ReadBlob): Promise<Tree> {
  if (output.rootDirectoryDigest?.hash) return directoryTree(wireDigest(output.rootDirectoryDigest, fn), read)
  const digest = wireDigest(output.treeDigest, fn)
  const bytes = await read(digest)
  if (!bytes)
    throw new Failure('not-found', 'the list of this folder is not in the cache any more', { where: digest.hash })
  const tree = decoded(re.Tree, bytes, digest)
  const known = new Map<string, Uint8Array>()
  const add = (directory: re.Directory.$Properties | null | undefined): Digest => {
    const encoded = re.Directory.encode(directory ?? {}).finish()
    const own = digestOf(fn, encoded)
    known.set(digestKey(own), encoded)
    return own
  }
  tree.children.forEach(add)
  return directoryTree(add(tree.root), async (each) => known.get(digestKey(each)))
}

function entriesOf({ files, directories, symlinks }: re.Directory, fn: Digest['fn']): TreeEntry[] {
  return sorted([
    ...directories.map(({ name }) => ({ name: name ?? '', kind: 'folder' as const })),
    ...files.map(({ name, digest, isExecutable }) => ({
      name: name ?? '',
      kind: 'file' as const,
      digest: wireDigest(digest, fn),
      executable: isExecutable ?? false,
    })),
    ...symlinks.map(({ name, target }) => ({ name: name ?? '', kind: 'symlink' as const, target: target ?? '' })),
  ])
}

/** Folders first, as file managers have them. */
function sorted(entries: readonly TreeEntry[]): TreeEntry[] {
  const rank = ({ kind }: TreeEntry) => (kind === 'folder' ? 0 : 1)
  return entries.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

function wireDigest(wire: re.Digest.$Properties | null | undefined, fn: Digest['fn']): Digest {
  return digestFromWire(wire ?? {}, digestFunctions[fn].value)
}

function decoded<T>(type: { decode(bytes: Uint8Array): T }, bytes: Uint8Array, { hash }: Digest): T {
  try {
    return type.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', 'this blob does not list a folder', { where: hash, cause })
  }
}

function partsOf(path: string | null | undefined): string[] {
  return (path ?? '').split('/').filter((each) => each !== '')
}

function begins(path: readonly string[], start: readonly string[]): boolean {
  return path.length >= start.length && start.every((each, at) => path[at] === each)
}
