import { randomUUID } from 'node:crypto'
import { lstat, open, readFile, readlink, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { systemFailure } from '../../host/system-errors.ts'

/** Hand-written configuration files are far smaller. */
const fileBytesMax = 4 * 1024 * 1024

/**
 * Changes a text file, creating it if needed, and returns whether it changed. The new text replaces the file
 * atomically, so nobody ever sees half of it. A symbolic link is refused, since its target may be anybody's; if the
 * file has several hard links, the others keep the old text.
 * @param change computes the new text from the old one; '' if the file does not exist
 * @throws Failure with the file's name: 'invalid', the kinds of system errors, and those that `change` throws
 */
export async function changeFile(file: string, change: (text: string) => string): Promise<boolean> {
  try {
    const found = await look(file)
    const before = found === undefined ? '' : await textOf(file)
    const after = change(before)
    if (after === before) return false
    await replace(file, after, found?.mode ?? 0o666 & ~process.umask())
    return true
  } catch (error) {
    if (error instanceof Failure)
      throw new Failure(error.kind, error.message, {
        where: error.where === undefined ? file : `${file}, ${error.where}`,
        next: error.next,
      })
    const next = errnoOf(error) === 'ENOENT' ? [`Make its folder first: mkdir -p '${dirname(file)}'`] : []
    throw systemFailure(error, { doing: 'cannot write the file', where: file, next })
  }
}

/** The permissions of a plain file; undefined if there is none. */
async function look(file: string): Promise<{ readonly mode: number } | undefined> {
  const stats = await ifThere(lstat(file))
  if (stats === undefined) return undefined
  if (stats.isSymbolicLink())
    throw new Failure('invalid', 'it is a symbolic link, and links are not followed when writing', {
      next: [`Name the file itself: ${resolve(dirname(file), await readlink(file))}`],
    })
  if (!stats.isFile()) throw new Failure('invalid', 'it is not a regular file')
  if (stats.size > fileBytesMax)
    throw new Failure('invalid', `it has ${stats.size} bytes, but at most ${fileBytesMax} bytes are searched`)
  return { mode: stats.mode & 0o777 }
}

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file)
  try {
    // Text that cannot be decoded exactly could not be written back exactly either.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new Failure('invalid', 'it is not UTF-8 text, so the rest of it could not be preserved', { cause })
  }
}

async function replace(file: string, text: string, mode: number): Promise<void> {
  const aside = `${file}.${randomUUID()}`
  const handle = await open(aside, 'wx', mode)
  try {
    try {
      // The mode given to open is reduced by the umask.
      await handle.chmod(mode)
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
    await rename(aside, file)
  } catch (error) {
    await unlink(aside)
    throw error
  }
}
