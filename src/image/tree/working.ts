import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { commitTree, submodule } from './commit.ts'
import { type GitPlace, git, gitLine, nulParts } from './git.ts'
import { headOf } from './named-commit.ts'
import type { SourceTree } from './tree.ts'

/**
 * A checkout as it is now: the commit, overlaid with what was changed, added (and is not ignored) or removed. Without
 * changes it is identical to the commit.
 * @param at the checkout's folder
 * @param relevant the paths to consider
 * @param enters which changes there count: only they make it dirty
 */
export async function workingTree(
  at: GitPlace,
  relevant: readonly string[],
  enters: (path: string) => boolean,
): Promise<SourceTree> {
  const ignores = (path: string): Promise<boolean> => isIgnored(at, path)
  const revision = await headOf(at)
  const changed = (await changedPaths(at, relevant)).filter(enters)
  if (changed.length === 0 && revision !== null) return { ...commitTree(at, revision), ignores }
  const use = <T>(ask: (tree: SourceTree) => Promise<T>): Promise<T> => withChanges(at, revision, changed, ask)
  return {
    revision,
    dirty: true,
    ignores,
    files: (paths) => use((tree) => tree.files(paths)),
    read: (path) => use((tree) => tree.read(path)),
    extract: (paths, folder) => use((tree) => tree.extract(paths, folder)),
  }
}

/** A folder is ignored itself, or all that is in it. */
async function isIgnored(at: GitPlace, path: string): Promise<boolean> {
  const args = ['ls-files', '--others', '--ignored', '--exclude-standard', '--directory', '-z', '--', path]
  return (await git(args, at)).stdout.byteLength > 0
}

async function changedPaths(at: GitPlace, paths: readonly string[]): Promise<string[]> {
  const args = ['status', '--porcelain=v1', '-z', '--untracked-files=all', '--no-renames', '--', ...paths]
  const found = nulParts((await git(args, at)).stdout).map((line) => line.slice(3))
  const inner = found.find((path) => path.endsWith('/'))
  if (inner !== undefined) throw submodule(inner)
  return found
}

/**
 * Makes the tree that committing the changes would give, with an index and object store of its own: nothing is written
 * into the user's repository. Files thus enter as git would store them, not as they are on disk.
 */
async function withChanges<T>(
  at: GitPlace,
  revision: string | null,
  changed: readonly string[],
  ask: (tree: SourceTree) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(at.env['TMPDIR'] || '/tmp', 'native-tree-'))
  try {
    const objects = join(folder, 'objects')
    await mkdir(join(objects, 'info'), { recursive: true })
    const there = resolve(at.cwd, await gitLine(['rev-parse', '--git-path', 'objects'], at))
    await writeFile(join(objects, 'info/alternates'), `${there}\n`)
    const own = { GIT_INDEX_FILE: join(folder, 'index'), GIT_OBJECT_DIRECTORY: objects }
    const place = { ...at, own }
    await git(['read-tree', revision ?? '--empty'], place)
    const input = changed.map((path) => `${path}\0`).join('')
    await git(['update-index', '-z', '--add', '--remove', '--replace', '--stdin'], place, { input })
    return await ask(commitTree(place, await gitLine(['write-tree', '--missing-ok'], place)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
