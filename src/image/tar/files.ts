import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import {
  assertExtensionSize,
  type Extension,
  extendedBy,
  hostile,
  isExtension,
  short,
} from '../../archive/tar-extension.ts'
import { blockBytes, decodeHeader, type RawHeader } from '../../archive/tar-header.ts'
import { Failure } from '../../core/failure.ts'

/** Entries per archive. */
const entriesMax = 100_000
const sparseMapBytesMax = 4 * 1024 * 1024

/** Where a file's content is in the archive. */
export interface TarFile {
  readonly offset: number
  readonly size: number
}

/**
 * Locates the files of a tar archive by reading only its headers. The archive is not trusted: absolute paths, `..`,
 * links out of the archive, duplicate names, devices, and entries that extend beyond the end are refused.
 * @param where the archive's name, for errors
 * @throws Failure 'corrupt' for an incomplete archive, 'invalid' for a hostile one
 */
export async function tarFiles(handle: FileHandle, where: string): Promise<ReadonlyMap<string, TarFile>> {
  const { size: total } = await handle.stat()
  const files = new Map<string, TarFile>()
  const links = new Map<string, string>()
  let extension: Extension = {}
  let entries = 0
  for (let at = 0; at < total; ) {
    const header = await read(handle, at, blockBytes, where)
    const raw = decodeHeader(header, where)
    if (!raw) break
    entries += 1
    if (entries > entriesMax) throw new Failure('invalid', `the archive has more than ${entriesMax} entries`, { where })
    const offset = at + blockBytes + (raw.flag === 'S' ? await sparseMapBytes(handle, at, header, where) : 0)
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
    // A GNU sparse file does no harm as long as nobody asks for it; it counts as absent.
    else if (raw.flag !== '5' && raw.flag !== 'S')
      throw hostile(`has an entry of type ${raw.flag}, "${short(name)}"`, where)
    extension = {}
  }
  // docker save writes a layer that occurs twice as a symbolic link to the first.
  for (const [name, target] of links) {
    const file = files.get(target)
    if (file) files.set(name, file)
  }
  return files
}

/** Size of the map that continues after the header of a GNU sparse file (tar(5), "GNU sparse"). */
async function sparseMapBytes(handle: FileHandle, at: number, header: Buffer, where: string): Promise<number> {
  let bytes = 0
  for (let hasMore = header[482] !== 0; hasMore; ) {
    bytes += blockBytes
    if (bytes > sparseMapBytesMax) throw hostile('has a sparse file with too many holes', where)
    hasMore = (await read(handle, at + bytes, blockBytes, where))[504] !== 0
  }
  return bytes
}

function linkTarget(raw: RawHeader, name: string, extension: Extension, where: string): string {
  const target = extension.target ?? raw.target
  const path = raw.flag === '2' ? posix.join(posix.dirname(name), target) : posix.normalize(target)
  if (target.startsWith('/') || path === '..' || path.startsWith('../'))
    throw hostile(`has a link "${short(name)}" to "${short(target)}", which is outside`, where)
  return path
}

/**
 * A normalised name; the folder itself is '.'.
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
