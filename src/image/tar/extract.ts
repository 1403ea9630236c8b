import { createWriteStream } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar-stream'
import { Failure } from '../../core/failure.ts'

const entriesMax = 100_000

/**
 * Writes the files, folders and symbolic links of a tar stream into an empty folder; modes are
 * 0755 or 0644, owners and times are not kept.
 * @param wanted which entries, and under which name; all by default
 * @throws Failure 'invalid' for a path that leads out
 */
export async function extractTar(
  tar: NodeJS.ReadableStream,
  folder: string,
  wanted: (name: string) => string | undefined = (name) => name,
): Promise<void> {
  const entries = extract()
  const fed = pipeline(tar, entries)
  // Told by the loop below too; this keeps it from being an unhandled one.
  fed.catch(() => undefined)
  let count = 0
  for await (const entry of entries) {
    count += 1
    const { name: given, type, mode, linkname } = entry.header
    const name = wanted(given.replace(/\/$/, ''))
    if (name === undefined) {
      entry.resume()
      continue
    }
    if (count > entriesMax) throw new Failure('invalid', `the archive has more than ${entriesMax} entries`)
    const path = contained(folder, name)
    if (type === 'directory') await mkdir(path, { recursive: true })
    else await mkdir(dirname(path), { recursive: true })
    if (type === 'file')
      await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: (mode ?? 0) & 0o111 ? 0o755 : 0o644 }))
    else if (type === 'symlink') await link(folder, name, linkname ?? '')
    entry.resume()
  }
  await fed
}

async function link(folder: string, name: string, target: string): Promise<void> {
  // What a link may reach, files written through it could reach too.
  contained(folder, join(dirname(name), target))
  await symlink(target, join(folder, name))
}

function contained(folder: string, name: string): string {
  const path = normalize(name)
  if (path.startsWith('/') || path === '..' || path.startsWith('../') || path.includes('\0'))
    throw new Failure('invalid', `the archive has a path that leads out of it: ${JSON.stringify(name.slice(0, 200))}`)
  return join(folder, path)
}
