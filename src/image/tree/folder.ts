import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { byPath, type SourceTree, type TreeFile } from './tree.ts'
import { writeFiles } from './write.ts'

const filesMax = 100_000
const readBytesMax = 64 * 1024 * 1024

/** A folder outside of any git repository. */
export function folderTree(root: string): SourceTree {
  const files = async (paths: readonly string[]): Promise<readonly TreeFile[]> => {
    const found = new Set<string>()
    for (const path of paths) {
      await assertNoLinkAbove(root, path)
      await walk(root, path, found)
    }
    const hashes = await Promise.all([...found].map((path) => hashFile(root, path)))
    return hashes.sort(byPath)
  }
  return {
    revision: null,
    dirty: false,
    files,
    ignores: async () => false,
    read: (path) => readWhole(join(root, path)),
    extract: async (paths, folder) => writeFiles(await files(paths), folder, (file) => contentOf(root, file)),
  }
}

/** git does not follow such a link either, and it may lead out. */
async function assertNoLinkAbove(root: string, path: string): Promise<void> {
  for (let above = posix.dirname(path); above !== '.'; above = posix.dirname(above))
    if ((await ifThere(lstat(join(root, above)), 'ENOTDIR'))?.isSymbolicLink())
      throw new Failure('invalid', 'the path of a file leads through a symbolic link', { where: path })
}

async function walk(root: string, path: string, found: Set<string>): Promise<void> {
  const facts = await ifThere(lstat(join(root, path)), 'ENOTDIR')
  if (facts?.isDirectory())
    for (const name of await readdir(join(root, path))) await walk(root, posix.join(path, name), found)
  else if (facts?.isFile() || facts?.isSymbolicLink()) found.add(path)
  else if (facts)
    throw new Failure('invalid', 'an image can contain files, folders and symbolic links, but this is something else', {
      where: join(root, path),
    })
  if (found.size > filesMax)
    throw new Failure('exhausted', `more than ${filesMax} files would go into the image`, { where: root })
}

/** A git blob's id: SHA-1 of a header and the content. */
async function hashFile(root: string, path: string): Promise<TreeFile> {
  const file = join(root, path)
  const facts = await lstat(file)
  const content = facts.isSymbolicLink() ? Buffer.from(await readlink(file)) : await readWhole(file)
  const id = createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex')
  return { path, id, mode: facts.isSymbolicLink() ? '120000' : facts.mode & 0o100 ? '100755' : '100644' }
}

async function* contentOf(root: string, { path, mode }: TreeFile): AsyncGenerator<Uint8Array, void, undefined> {
  if (mode === '120000') yield Buffer.from(await readlink(join(root, path)))
  else yield* createReadStream(join(root, path)) as AsyncIterable<Buffer>
}

/**
 * Reads a source file into memory. A pipe would block until somebody writes.
 * @throws Failure 'not-found', 'invalid' for anything but a regular file, 'exhausted'
 */
export async function readWhole(file: string): Promise<Uint8Array> {
  try {
    const facts = await stat(file)
    if (!facts.isFile()) throw new Failure('invalid', 'this is not a regular file', { where: file })
    if (facts.size > readBytesMax)
      throw new Failure(
        'exhausted',
        `the file has ${facts.size} bytes, but a source file of an image can have at most ${readBytesMax}`,
        {
          where: file,
          next: ['Put larger files into the base image (--base), or mount them where the image runs.'],
        },
      )
    return await readFile(file)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error
    throw new Failure('not-found', 'there is no such file', { where: file, cause: error })
  }
}
