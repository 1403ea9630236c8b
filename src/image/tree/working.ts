import { createHash } from 'node:crypto'
import { copyFile, lstat, mkdir, readdir, readFile, readlink, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { committedFiles } from './commit.ts'
import { git, gitLine, nulParts } from './git.ts'
import { byPath, type SourceTree, type TreeFile } from './tree.ts'

const filesMax = 100_000
const readBytesMax = 64 * 1024 * 1024

/**
 * A checkout as it is now: the commit, and over it what was changed, added (and is not
 * ignored) or removed. Where nothing was, it is the very same as the commit.
 * @param relevant the paths that are looked at
 * @param enters which changes there count: only they make it dirty
 */
export async function workingTree(
  checkout: string,
  relevant: readonly string[],
  enters: (path: string) => boolean,
): Promise<SourceTree> {
  const revision = await gitLine(['rev-parse', '--verify', 'HEAD^{commit}'], { cwd: checkout })
  const changed = (await changedPaths(checkout, relevant)).filter(enters)
  const files = async (paths: readonly string[]): Promise<readonly TreeFile[]> => {
    const before = await committedFiles(checkout, revision, paths)
    const isChanged = new Set(changed)
    const now = await hashed(
      checkout,
      changed.filter((path) => isUnder(path, paths)),
    )
    return [...before.filter((each) => !isChanged.has(each.path)), ...now].sort(byPath)
  }
  return {
    revision,
    dirty: changed.length > 0,
    files,
    read: (path) => readWhole(join(checkout, path)),
    extract: async (paths, folder) => copyFiles(checkout, await files(paths), folder),
  }
}

/** A folder outside of any git repository. */
export function folderTree(root: string): SourceTree {
  const files = async (paths: readonly string[]): Promise<readonly TreeFile[]> => {
    const found: string[] = []
    for (const path of paths) await walk(root, path, found)
    const hashes = await Promise.all(found.map((path) => hashFile(root, path)))
    return hashes.sort(byPath)
  }
  return {
    revision: null,
    dirty: false,
    files,
    read: (path) => readWhole(join(root, path)),
    extract: async (paths, folder) => copyFiles(root, await files(paths), folder),
  }
}

async function changedPaths(checkout: string, paths: readonly string[]): Promise<string[]> {
  const args = ['status', '--porcelain=v1', '-z', '--untracked-files=all', '--no-renames', '--', ...paths]
  return nulParts((await git(args, { cwd: checkout })).stdout).map((line) => line.slice(3))
}

/** Ids of files as git would give them (with its filters, so that line ends do not matter). */
async function hashed(checkout: string, paths: readonly string[]): Promise<TreeFile[]> {
  const found: TreeFile[] = []
  const regular: { path: string; mode: string }[] = []
  for (const path of paths) {
    const facts = await lstat(join(checkout, path)).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
      throw error
    })
    if (facts?.isSymbolicLink()) found.push(await hashFile(checkout, path))
    else if (facts?.isFile()) regular.push({ path, mode: facts.mode & 0o100 ? '100755' : '100644' })
  }
  if (regular.length === 0) return found
  const input = regular.map((each) => `${each.path}\n`).join('')
  const ids = (await gitLine(['hash-object', '--stdin-paths'], { cwd: checkout, input })).split('\n')
  return [...found, ...regular.map((each, at) => ({ ...each, id: ids[at] ?? '' }))]
}

async function walk(root: string, path: string, found: string[]): Promise<void> {
  const facts = await lstat(join(root, path)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (facts?.isDirectory())
    for (const name of await readdir(join(root, path))) await walk(root, join(path, name), found)
  else if (facts?.isFile() || facts?.isSymbolicLink()) found.push(path)
  if (found.length > filesMax)
    throw new Failure('exhausted', `more than ${filesMax} files enter the image`, { where: root })
}

/** A git blob's id: SHA-1 of a header and the content. */
async function hashFile(root: string, path: string): Promise<TreeFile> {
  const facts = await lstat(join(root, path))
  const content = facts.isSymbolicLink()
    ? Buffer.from(await readlink(join(root, path)))
    : await readWhole(join(root, path))
  const id = createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex')
  return { path, id, mode: facts.isSymbolicLink() ? '120000' : facts.mode & 0o100 ? '100755' : '100644' }
}

async function readWhole(file: string): Promise<Uint8Array> {
  try {
    const { size } = await lstat(file)
    if (size > readBytesMax)
      throw new Failure('exhausted', `a file of ${size} bytes is too large for an image's sources`, { where: file })
    return await readFile(file)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error
    throw new Failure('not-found', 'there is no such file', { where: file, cause: error })
  }
}

async function copyFiles(root: string, files: readonly TreeFile[], folder: string): Promise<void> {
  for (const { path, mode } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    if (mode === '120000') await symlink(await readlink(join(root, path)), join(folder, path))
    else await copyFile(join(root, path), join(folder, path))
  }
}

function isUnder(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => path === root || path.startsWith(`${root}/`))
}
