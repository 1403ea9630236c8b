import type { FileHandle } from 'node:fs/promises'

/** The largest piece of a file: large enough that calls do not limit a copy. */
const pieceBytesMax = 512 * 1024

/**
 * Reads a range of a file in pieces, the next one being read while the last is used. Two buffers alternate, since
 * allocating one for each piece costs more than hashing it: as everywhere in this room, a piece is valid until the next
 * is requested. Ends early if the file does.
 */
export async function* readPieces(
  handle: FileHandle,
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const end = offset + size
  let at = offset
  const read = async (into: Buffer): Promise<number> =>
    at < end ? (await handle.read(into, 0, Math.min(into.byteLength, end - at), at)).bytesRead : 0
  const bytes = Math.min(pieceBytesMax, size)
  let current: Buffer = Buffer.allocUnsafeSlow(bytes)
  let other: Buffer | undefined
  let coming = ahead(read(current))
  try {
    for (let count = await coming; count > 0; count = await coming) {
      const piece = current.subarray(0, count)
      at += count
      const next = other ?? Buffer.allocUnsafeSlow(bytes)
      other = current
      current = next
      coming = ahead(read(current))
      yield piece
    }
  } finally {
    // Whoever closes the file now must not do so during a read.
    await Promise.allSettled([coming])
  }
}

/**
 * Writes content into a file, taking the next pieces while the last are written; small ones, as from sockets, are
 * combined.
 * @param grew hears of bytes added to the file
 * @returns the offset after the last byte
 */
export async function writePieces(
  handle: FileHandle,
  offset: number,
  content: AsyncIterable<Uint8Array>,
  grew?: (bytes: number) => void,
): Promise<number> {
  let filling: Buffer = Buffer.allocUnsafeSlow(pieceBytesMax)
  let other: Buffer | undefined
  let used = 0
  let at = offset
  let writing = ahead(Promise.resolve())
  const write = async (bytes: Uint8Array): Promise<void> => {
    await writing
    writing = ahead(writeAll(handle, bytes, at).then(() => grew?.(bytes.byteLength)))
    at += bytes.byteLength
  }
  const flush = async (): Promise<void> => {
    const full = filling.subarray(0, used)
    await write(full)
    const next = other ?? Buffer.allocUnsafeSlow(pieceBytesMax)
    other = filling
    filling = next
    used = 0
  }
  try {
    for await (const piece of content) {
      if (used + piece.byteLength > pieceBytesMax) await flush()
      if (piece.byteLength >= pieceBytesMax / 2) {
        if (used > 0) await flush()
        // Its source reads ahead meanwhile, so waiting loses nothing and saves a copy.
        await write(piece)
        await writing
      } else {
        filling.set(piece, used)
        used += piece.byteLength
      }
    }
    if (used > 0) await flush()
    await writing
    return at
  } finally {
    await Promise.allSettled([writing])
  }
}

/** Bytes in memory as content. */
export async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; )
    done += (await handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten
}

/** Work that runs ahead of its consumer: its failure surfaces when it is awaited. */
function ahead<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  return work
}
