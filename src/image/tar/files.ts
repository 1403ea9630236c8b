import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { assertExtensionSize, type Extension, extendedBy, hostile, isExtension, short } from './extension.ts'
import { blockBytes, decodeHeader, type RawHeader } from './header.ts'

/** Entries that one archive may have. */
const entriesMax = 100_000

/** Where a file's content lies in the archive. */
export interface TarFile {
  readonly offset: number
  readonly size: number
}

/**
 * Where each file of a tar archive lies, found by reading nothing but its headers. The archive
 * is not trusted: a path that is absolute or has `..`, a link out of the archive, two files of
 * one name, a device, and an entry that reaches beyond the end are refused.
 * @param where the archive's name, for errors
 * @throws Failure 'corrupt' for what is no whole archive, 'invalid' for a hostile one
 */
export async function tarFiles(handle: FileHandle, where: string): Promise<ReadonlyMap<string, TarFile>> {
  const { size: total } = await handle.stat()
  const files = new Map<string, TarFile>()
  const links = new Map<string, string>()
  let extension: Extension = {}
  let entries = 0
  for (let at = 0; at < total; ) {
    const raw = decodeHeader(await read(handle, at, blockBytes, where), where)
    if (!raw) break
    entries += 1
    if (entries > entriesMax) throw new Failure('invalid', `the archive has more than ${entriesMax} entries`, { where })
    const offset = at + blockBytes
    const size = raw.flag === '0' || raw.flag === '7' ? (extension.size ?? raw.size) : raw.size
    at = offset + Math.ceil(size / blockBytes) * blockBytes
    if (offset + size > total)
      throw new Failure('corrupt', `the archive ends in the middle of "${short(raw.name)}"`, { where })
    if (isExtension(raw.flag)) {
      assertExtensionSize(size, where)
      extension = extendedBy(extension, raw.flag, await read(handle, offset, size, where), where)
      continue
    }
    const name = safeName(extension.path ?? raw.name, where)
    if (files.has(name) || links.has(name)) throw hostile(`has two entries named "${short(name)}"`, where)
    if (raw.flag === '0' || raw.flag === '7') files.set(name, { offset, size })
    else if (raw.flag === '1' || raw.flag === '2') links.set(name, linkTarget(raw, name, extension, where))
    else if (raw.flag !== '5') throw hostile(`has an entry of type ${raw.flag}, "${short(name)}"`, where)
    extension = {}
  }
  // docker save writes a layer that stands in twice as a symbolic link to the other.
  for (const [name, target] of links) {
    const file = files.get(target)
    if (file) files.set(name, file)
  }
  return files
}

function linkTarget(raw: RawHeader, name: string, extension: Extension, where: string): string {
  const target = extension.target ?? raw.target
  const path = raw.flag === '2' ? posix.join(posix.dirname(name), target) : posix.normalize(target)
  if (target.startsWith('/') || path === '..' || path.startsWith('../'))
    throw hostile(`has a link "${short(name)}" to "${short(target)}", which is outside`, where)
  return path
}

/**
 * A name without what means nothing; the folder itself is '.'.
 * @throws Failure 'invalid' for one that leads out
 */
export function safeName(name: string, where: string): string {
  if (name.startsWith('/')) throw hostile(`has an absolute path, "${short(name)}"`, where)
  if (name.includes('\0') || name.split('/').includes('..')) throw hostile(`has the path "${short(name)}"`, where)
  return posix.normalize(name).replace(/\/$/, '')
}

async function read(handle: FileHandle, offset: number, size: number, where: string): Promise<Buffer> {
  const bytes = Buffer.alloc(size)
  const { bytesRead } = await handle.read(bytes, 0, size, offset)
  if (bytesRead < size) throw new Failure('corrupt', 'the archive ends in the middle of a header', { where })
  return bytes
}
