import { basename, dirname } from 'node:path'
import { encodeHeader, endOfArchive, octalSizeMax, padding } from '../../archive/tar-header.ts'
import { Failure } from '../../core/failure.ts'
import { openPartial, removeLeftovers, whileWriting } from '../partial.ts'
import { writePieces } from '../pieces.ts'

/** The largest size that fits into a single header block. */
const sizeMax = octalSizeMax - 1

/** A tar file written under a temporary name next to its final one. */
export interface TarWriter {
  /**
   * Adds a file. If the content fails, what was written of it is discarded and it, or another file, can be added again.
   * @param size bytes that the content will have
   */
  add(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void>
  /** Adds a file from memory. */
  addBytes(name: string, bytes: Uint8Array): Promise<void>
  /**
   * Adds a file whose size is only known at the end.
   * @throws Failure 'exhausted' at 8 GiB, which would no longer fit into its header
   */
  addUnsized(name: string, content: AsyncIterable<Uint8Array>): Promise<void>
  /** Ends the archive, syncs it and moves it into place. */
  finish(): Promise<void>
  /** Removes it. */
  discard(): Promise<void>
}

/**
 * Opens a tar file for writing, and removes leftovers of an earlier writer of this name that was killed.
 * @param path its final path
 * @param mtime seconds since 1970, for every entry
 * @throws Failure 'denied', 'exhausted', 'not-found' when its folder does not exist; its methods throw the same
 */
export async function openTar(path: string, mtime: number): Promise<TarWriter> {
  await removeLeftovers(dirname(path), basename(path))
  const file = await openPartial(path)
  const { handle } = file
  const header = (name: string, size: number): Buffer => encodeHeader({ name, type: 'file', mode: 0o644, size, mtime })
  let end = 0

  async function put(bytes: Uint8Array, at: number): Promise<number> {
    for (let done = 0; done < bytes.byteLength; )
      done += (await handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten
    return at + bytes.byteLength
  }

  return {
    add: (name, size, content) =>
      whileWriting(path, async () => {
        const start = await put(header(name, size), end)
        const at = await writePieces(handle, start, upTo(content, size, name))
        if (at - start !== size) throw new Failure('corrupt', `"${name}" is shorter than declared`)
        end = await put(padding(size), at)
      }),
    addBytes: (name, bytes) =>
      whileWriting(path, async () => {
        const at = await put(bytes, await put(header(name, bytes.byteLength), end))
        end = await put(padding(bytes.byteLength), at)
      }),
    addUnsized: (name, content) =>
      whileWriting(path, async () => {
        const start = end + header(name, 0).byteLength
        const at = await writePieces(handle, start, upTo(content, sizeMax, name))
        await put(header(name, at - start), end)
        end = await put(padding(at - start), at)
      }),
    finish: () =>
      whileWriting(path, async () => {
        const at = await put(endOfArchive, end)
        // A file that failed after the last good one may have extended further.
        await handle.truncate(at)
        await file.finish()
      }),
    discard: () => file.discard(),
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
        : new Failure('corrupt', `"${name}" is longer than declared`)
    yield piece
  }
}
