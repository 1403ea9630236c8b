import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { errnoOf, Failure } from '../../../core/failure.ts'
import { readPieces } from '../../pieces.ts'
import { type TarFile, tarFiles } from '../../tar/files.ts'

const pieceBytes = 256 * 1024
/** What a compressed archive may become: layers in it are mostly compressed already, so a hundredfold is a bomb. */
export interface ExpansionLimits {
  readonly timesMax: number
  /** Up to this it may be any factor. */
  readonly bytesAlways: number
}
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
 * Opens an archive for reading. A compressed one (gzip, zstd) is first expanded into a
 * temporary file, since layers are read in another order than they stand in it.
 * @param temporary the folder for that
 * @throws Failure 'not-found', 'corrupt', 'invalid'
 */
export async function openTarSource(path: string, temporary: string, limits = usualLimits): Promise<TarSource> {
  const first = await openFile(path)
  const expander = await compressionOf(first, path)
  if (!expander) return tarSource(first, path, async () => undefined)
  await first.close()
  const folder = await mkdtemp(join(temporary, 'native-archive-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const expanded = join(folder, 'archive.tar')
    await expand(path, expander, expanded, limits)
    return await tarSource(await openFile(expanded), path, remove)
  } catch (error) {
    await remove()
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
    throw new Failure('not-found', `the archive does not hold ${what}`, { where: `${where} ${name.slice(0, 200)}` })
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
    throw new Failure('invalid', 'an archive is a file, and this is none', { where: path })
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    throw new Failure('not-found', 'there is no such archive', { where: path, cause: error })
  }
}

async function compressionOf(handle: FileHandle, where: string): Promise<(() => Transform) | undefined> {
  const magic = Buffer.alloc(6)
  await handle.read(magic, 0, 6, 0)
  if (magic[0] === 0x1f && magic[1] === 0x8b) return () => createGunzip()
  if (magic.readUInt32LE(0) === 0xfd2fb528) return () => createZstdDecompress()
  const name =
    magic.toString('latin1', 0, 3) === 'BZh' ? 'bzip2' : magic.toString('latin1', 1, 5) === '7zXZ' ? 'xz' : ''
  if (name === '') return undefined
  await handle.close()
  throw new Failure('unimplemented', `the archive is compressed with ${name}`, {
    where,
    next: [`Expand it first (${name} -d), or compress it with gzip or zstd.`],
  })
}

async function expand(path: string, expander: () => Transform, to: string, limits: ExpansionLimits): Promise<void> {
  let read = 0
  let written = 0
  try {
    await pipeline(
      createReadStream(path, { highWaterMark: pieceBytes }),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          read += chunk.byteLength
          yield chunk
        }
      },
      expander(),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          written += chunk.byteLength
          if (written > limits.bytesAlways && written > read * limits.timesMax)
            throw new Failure('invalid', `the archive expands more than ${limits.timesMax} times`, { where: path })
          yield chunk
        }
      },
      createWriteStream(to),
    )
  } catch (error) {
    if (error instanceof Failure || errnoOf(error)?.startsWith('E')) throw error
    throw new Failure('corrupt', 'the archive cannot be expanded: its compressed bytes are damaged', {
      where: path,
      cause: error,
    })
  }
}
