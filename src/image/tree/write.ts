import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import type { TreeFile } from './tree.ts'

/** Linux's PATH_MAX, which no link exceeds. */
const targetBytesMax = 4096

/**
 * Writes files with their modes from the tree. A hostile tree may try to write or read outside of the folder: neither
 * paths nor links may lead there.
 * @param folder an empty one
 * @param contentOf called for one file at a time, in the order given; a link's content is its target
 * @throws Failure 'invalid' for what leads out, and what contentOf throws
 */
export async function writeFiles(
  files: readonly TreeFile[],
  folder: string,
  contentOf: (file: TreeFile) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const parents = new Set(files.map(({ path }) => dirname(join(folder, contained(path)))))
  for (const parent of parents) await mkdir(parent, { recursive: true })
  const links: { path: string; target: string }[] = []
  for (const file of files) {
    const { path, mode } = file
    if (mode === '120000') links.push({ path, target: await targetOf(contentOf(file), path) })
    else {
      const how = { flag: 'wx', mode: mode === '100755' ? 0o755 : 0o644 }
      await writeFile(join(folder, path), contentOf(file), how).catch(notTwice(path))
    }
  }
  // After all files, so that none is written through a link.
  for (const { path, target } of links) {
    if (posix.isAbsolute(target) || isOutside(posix.join(posix.dirname(path), target))) throw leadsOut(path)
    await symlink(target, join(folder, path)).catch(notTwice(path))
  }
  for (const { path } of links) await assertEndsInside(folder, path)
}

function contained(path: string): string {
  if (!path.includes('\0') && !path.split('/').some((part) => part === '' || part === '.' || part === '..')) return path
  throw leadsOut(path)
}

async function targetOf(content: AsyncIterable<Uint8Array>, path: string): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of content) {
    bytes += piece.byteLength
    if (bytes > targetBytesMax)
      throw new Failure('invalid', 'a symbolic link is longer than a path can be', { where: path })
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function isOutside(path: string): boolean {
  const normal = posix.normalize(path)
  return normal === '..' || normal.startsWith('../')
}

/** A link's text does not tell where it ends: `..` after another link goes up from where that one leads. */
async function assertEndsInside(folder: string, path: string): Promise<void> {
  try {
    const [root, end] = await Promise.all([realpath(folder), realpath(join(folder, path))])
    if (end !== root && !end.startsWith(`${root}/`)) throw leadsOut(path)
  } catch (error) {
    // A dangling link.
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR' && errnoOf(error) !== 'ELOOP') throw error
  }
}

/** Names that differ only in case are the same on some file systems; and a forged tree may contain anything. */
function notTwice(path: string) {
  return (error: unknown): never => {
    if (errnoOf(error) !== 'EEXIST' && errnoOf(error) !== 'EISDIR') throw error
    throw new Failure('invalid', 'two source files have the same name on this file system', {
      where: path,
      cause: error,
    })
  }
}

function leadsOut(path: string): Failure {
  return new Failure('invalid', 'a source file or symbolic link leads out of the sources', {
    where: path,
    next: ['A link has to be relative and point to a place inside the sources.'],
  })
}
