import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Compression, compressionOf, type ExpansionLimits, expanded } from '../../../archive/expand.ts'
import { Failure } from '../../../core/failure.ts'
import { systemFailure } from '../../../host/system-errors.ts'
import { diskFailure, whileWriting } from '../../partial.ts'
import { readPieces, writePieces } from '../../pieces.ts'
import { type TarFile, tarFiles } from '../../tar/files.ts'

/** Layers in an archive are mostly compressed already, so a hundredfold is a bomb. */
const usualLimits: ExpansionLimits = { timesMax: 100, bytesAlways: 2 ** 30 }

/** Random access to the files of a tar archive. */
export interface TarSource {
  readonly files: ReadonlyMap<string, TarFile>
  /** @throws Failure 'not-found' */
  content(name: string, what: string): AsyncIterable<Uint8Array>
  /** @throws Failure 'not-found', 'exhausted' */
  small(name: string, bytesMax: number, what: string): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens an archive for reading. A compressed one (gzip, zstd) is first expanded into a temporary file, since layers are
 * not read in the order of the archive.
 * @param temporary the folder for that file
 * @param signal aborts the expansion
 * @throws Failure 'not-found', 'corrupt', 'invalid', 'exhausted'
 */
export async function openTarSource(
  path: string,
  temporary: string,
  signal?: AbortSignal,
  limits = usualLimits,
): Promise<TarSource> {
  const first = await openFile(path)
  const compression = await compressionOfFile(first, path)
  if (compression === 'none') return tarSource(first, path, async () => undefined)
  const folder = await mkdtemp(join(temporary, 'native-archive-')).catch((error: unknown) => {
    throw diskFailure(error, temporary)
  })
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const pieces = readPieces(first, 0, (await first.stat()).size)
    const file = join(folder, 'archive.tar')
    return await tarSource(
      await written(file, expandedArchive(pieces, compression, path, limits, signal)),
      path,
      remove,
    )
  } catch (error) {
    await remove()
    throw error
  } finally {
    await first.close()
  }
}

/** A new file with this content, open; it need not outlive a crash. */
async function written(path: string, content: AsyncIterable<Uint8Array>): Promise<FileHandle> {
  const handle = await open(path, 'wx+').catch((error: unknown) => {
    throw diskFailure(error, path)
  })
  try {
    await whileWriting(path, () => writePieces(handle, 0, content))
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function tarSource(handle: FileHandle, where: string, remove: () => Promise<void>): Promise<TarSource> {
  const close = async (): Promise<void> => {
    await handle.close()
    await remove()
  }
  const find = (name: string, what: string, files: ReadonlyMap<string, TarFile>): TarFile => {
    const file = files.get(name)
    if (file) return file
    throw new Failure('not-found', `the archive does not contain ${what}`, { where: `${where} ${name.slice(0, 200)}` })
  }
  try {
    const files = await tarFiles(handle, where)
    return {
      files,
      content: (name, what) => pieces(handle, find(name, what, files), where),
      async small(name, bytesMax, what) {
        const file = find(name, what, files)
        if (file.size > bytesMax)
          throw new Failure('exhausted', `${what} has ${file.size} bytes, at most ${bytesMax} are read`, { where })
        const chunks: Uint8Array[] = []
        for await (const piece of pieces(handle, file, where)) chunks.push(piece.slice())
        return Buffer.concat(chunks)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function* pieces(handle: FileHandle, file: TarFile, where: string): AsyncGenerator<Uint8Array, void, undefined> {
  let done = 0
  for await (const piece of readPieces(handle, file.offset, file.size)) {
    done += piece.byteLength
    yield piece
  }
  if (done < file.size) throw new Failure('corrupt', 'the archive became shorter while it was read', { where })
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, 'r')
    if ((await handle.stat()).isFile()) return handle
    await handle.close()
    throw new Failure('invalid', 'an archive must be a file, but this is not one', { where: path })
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the archive', where: path })
  }
}

async function compressionOfFile(handle: FileHandle, where: string): Promise<Compression> {
  const magic = Buffer.alloc(6)
  await handle.read(magic, 0, 6, 0)
  const name =
    magic.toString('latin1', 0, 3) === 'BZh' ? 'bzip2' : magic.toString('latin1', 1, 5) === '7zXZ' ? 'xz' : ''
  if (name === '') return compressionOf(magic)
  await handle.close()
  throw new Failure('unimplemented', `the archive is compressed with ${name}`, {
    where,
    next: [`Decompress it first (${name} -d), or compress it with gzip or zstd.`],
  })
}

async function* expandedArchive(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
  where: string,
  limits: ExpansionLimits,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of expanded(content, compression, where, limits)) {
    signal?.throwIfAborted()
    yield piece
  }
}
