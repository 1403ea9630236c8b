import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { Failure } from '../../core/failure.ts'
import { writePieces } from '../pieces.ts'
import { encodeHeader, endOfArchive, octalSizeMax, padding } from './header.ts'

/** What a header of one block can say. */
const sizeMax = octalSizeMax - 1

/** A tar file that is being made under a temporary name beside its own. */
export interface TarWriter {
  /**
   * Adds a file. When the content fails, what was written of it is forgotten and it, or
   * another file, can be added again.
   * @param size bytes that the content gives
   */
  add(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void>
  /**
   * Adds a file whose size is known when its content has ended.
   * @throws Failure 'exhausted' at 8 GiB, which its header could not say any more
   */
  addUnsized(name: string, content: AsyncIterable<Uint8Array>): Promise<void>
  /** Ends the archive, syncs it and puts it in its place. */
  finish(): Promise<void>
  /** Removes it. */
  discard(): Promise<void>
}

/**
 * Opens a tar file for writing.
 * @param path where it will stand when it is finished
 * @param mtime seconds since 1970, of every entry
 * @throws system errors when the folder is not there or not writable
 */
export async function openTar(path: string, mtime: number): Promise<TarWriter> {
  const temporary = `${path}.${randomUUID()}.partial`
  const handle = await open(temporary, 'wx', 0o644)
  let end = 0
  let open_ = true
  const put = async (bytes: Uint8Array, at: number): Promise<number> => {
    for (let done = 0; done < bytes.byteLength; )
      done += (await handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten
    return at + bytes.byteLength
  }
  const close = async (): Promise<void> => {
    if (!open_) return
    open_ = false
    await handle.close()
  }
  return {
    async add(name, size, content) {
      const start = await put(encodeHeader({ name, type: 'file', mode: 0o644, size, mtime }), end)
      const at = await writePieces(handle, start, upTo(content, size, name))
      if (at - start !== size) throw new Failure('corrupt', `"${name}" is shorter than was said`)
      end = await put(padding(size), at)
    },
    async addUnsized(name, content) {
      const header = (size: number): Buffer => encodeHeader({ name, type: 'file', mode: 0o644, size, mtime })
      const start = end + header(0).byteLength
      const at = await writePieces(handle, start, upTo(content, sizeMax, name))
      await put(header(at - start), end)
      end = await put(padding(at - start), at)
    },
    async finish() {
      const at = await put(endOfArchive, end)
      // A file that failed after the last good one may have reached further.
      await handle.truncate(at)
      await handle.sync()
      await close()
      await rename(temporary, path)
    },
    async discard() {
      await close()
      await rm(temporary, { force: true })
    },
  }
}

async function* upTo(
  content: AsyncIterable<Uint8Array>,
  size: number,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size
  for await (const piece of content) {
    left -= piece.byteLength
    if (left < 0)
      throw size === sizeMax
        ? new Failure('exhausted', `"${name}" would have 8 GiB or more`)
        : new Failure('corrupt', `"${name}" is longer than was said`)
    yield piece
  }
}

/** Bytes at hand as content. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
