import { lstat, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TarEntry, tarEntries } from '../../archive/tar-entries.ts'
import { hostile, short } from '../../archive/tar-extension.ts'
import { errnoOf, Failure } from '../../core/failure.ts'
import { diskFailure } from '../partial.ts'
import { safeName } from './files.ts'

const entriesMax = 100_000
/** Maximum length of a path: no system that we know accepts longer ones. */
const pathLengthMax = 4096
const where = 'tar'

/** Errors of the system for entries that no archive of a file tree has. */
const impossible: ReadonlySet<string> = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL'])

/**
 * Writes the files, folders and symbolic links of a tar stream into an empty folder; modes are 0755 or 0644, owners and
 * times are not kept. Nothing is written through a link, and no link leads out, not even via another.
 * @param wanted which entries, and under which name; all by default
 * @throws what the stream throws; Failure 'invalid' for a path or a link that leads out, for duplicate names, and for
 *   other kinds of entries; 'corrupt', 'exhausted'
 */
export async function extractTar(
  tar: AsyncIterable<Uint8Array>,
  folder: string,
  wanted: (name: string) => string | undefined = (name) => name,
): Promise<void> {
  const folders = new Set([join(folder)])
  let count = 0
  for await (const entry of tarEntries(tar, where)) {
    const given = wanted(entry.name.replace(/\/$/, ''))
    if (given === undefined) continue
    count += 1
    if (count > entriesMax) throw new Failure('invalid', `the archive has more than ${entriesMax} entries`)
    const name = safeName(given, where)
    if (name.length > pathLengthMax) throw hostile(`has a path of ${name.length} characters`, where)
    try {
      await put(entry, name, folder, folders)
    } catch (error) {
      if (!impossible.has(errnoOf(error) ?? '')) throw diskFailure(error, join(folder, name))
      throw hostile(`has an entry that cannot be beside the others: "${short(name)}" (${errnoOf(error)})`, where)
    }
  }
}

async function put(entry: TarEntry, name: string, folder: string, folders: Set<string>): Promise<void> {
  const path = join(folder, name)
  const isFile = entry.flag === '0' || entry.flag === '7'
  // Before POSIX, a folder was a file whose name ends with a slash.
  if (entry.flag === '5' || (isFile && entry.name.endsWith('/'))) return makeFolder(path, folders)
  if (name === '.') throw hostile('has an entry without a name', where)
  await makeFolder(dirname(path), folders)
  if (isFile) await writeFile(path, entry.content, { flag: 'wx', mode: entry.mode & 0o111 ? 0o755 : 0o644 })
  else if (entry.flag === '2') await symlink(insideTarget(name, entry.target), path)
  else throw hostile(`has an entry of type ${JSON.stringify(entry.flag)}, "${short(name)}"`, where)
}

/** Makes a folder, unless it exists. A link does not count as one: what is written in it could go anywhere. */
async function makeFolder(path: string, folders: Set<string>): Promise<void> {
  if (folders.has(path)) return
  await makeFolder(dirname(path), folders)
  try {
    await mkdir(path)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw error
  }
  folders.add(path)
}

/**
 * A link's target, which may go up from its folder, and then down. The folder was not reached through a link, so that
 * cannot lead out; going up after a name could, since that name may be a link to another place.
 */
function insideTarget(name: string, target: string): string {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  const down = parts.findIndex((part) => part !== '..')
  const up = down < 0 ? parts.length : down
  const isInside = up < name.split('/').length && !parts.includes('..', up)
  if (target === '' || target.startsWith('/') || target.includes('\0') || !isInside)
    throw hostile(`has a link "${short(name)}" to "${short(target)}", which may be outside`, where)
  return target
}
