import { Failure } from '../core/failure.ts'
import { assertExtensionSize, type Extension, extendedBy, isExtension } from './tar-extension.ts'
import { blockBytes, decodeHeader, type RawHeader } from './tar-header.ts'

/** An entry of a tar stream. */
export interface TarEntry extends RawHeader {
  /** Its bytes, in pieces that are valid until the next is requested. Unread bytes are skipped. */
  readonly content: AsyncIterable<Uint8Array>
}

/**
 * The entries of a tar stream in order. The stream is read to its end, so that its writer can finish.
 * @param where the archive's name, for errors
 * @throws what the stream throws; Failure 'corrupt' for an incomplete archive, 'invalid' for a hostile one
 */
export async function* tarEntries(
  stream: AsyncIterable<Uint8Array>,
  where: string,
): AsyncGenerator<TarEntry, void, undefined> {
  const input = reader(stream, where)
  let extension: Extension = {}
  try {
    for (let block = await input.block(); block; block = await input.block()) {
      const raw = decodeHeader(block, where)
      if (!raw) break
      const size = raw.flag === '0' || raw.flag === '7' ? (extension.size ?? raw.size) : raw.size
      const content = input.content(size)
      if (isExtension(raw.flag)) {
        assertExtensionSize(size, where)
        extension = extendedBy(extension, raw.flag, await gathered(content), where)
      } else {
        const { path: name = raw.name, target = raw.target, mtime = raw.mtime } = extension
        extension = {}
        yield { ...raw, name, target, mtime, size, content }
      }
      await input.skip()
    }
    await input.end()
  } finally {
    await input.close()
  }
}

interface Reader {
  /** The next header's bytes; undefined at the end. */
  block(): Promise<Buffer | undefined>
  /** The content of the entry, which follows its header. */
  content(size: number): AsyncIterable<Uint8Array>
  /** Skips the rest of the current entry. */
  skip(): Promise<void>
  /** Reads to the end of the stream. */
  end(): Promise<void>
  close(): Promise<void>
}

function reader(stream: AsyncIterable<Uint8Array>, where: string): Reader {
  const source = stream[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  let left = 0
  let padding = 0

  /** Up to this many bytes; none at the end. */
  async function some(bytesMax: number): Promise<Uint8Array> {
    while (rest.byteLength === 0) {
      const piece = await source.next()
      if (piece.done) return rest
      rest = piece.value
    }
    const taken = rest.subarray(0, bytesMax)
    rest = rest.subarray(bytesMax)
    return taken
  }

  async function next(): Promise<Uint8Array> {
    const piece = await some(left)
    if (piece.byteLength === 0) throw new Failure('corrupt', 'the archive ends in the middle of an entry', { where })
    left -= piece.byteLength
    return piece
  }

  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    while (left > 0) yield await next()
  }

  return {
    async block() {
      const start = Buffer.from(await some(blockBytes))
      if (start.byteLength === 0) return undefined
      left = blockBytes - start.byteLength
      return Buffer.concat([start, await gathered(pieces())])
    },
    content(size) {
      left = size
      padding = (blockBytes - (size % blockBytes)) % blockBytes
      return pieces()
    },
    async skip() {
      left += padding
      while (left > 0) await next()
    },
    async end() {
      for (let piece = await some(blockBytes); piece.byteLength > 0; ) piece = await some(Number.MAX_SAFE_INTEGER)
    },
    async close() {
      await source.return?.()
    },
  }
}

async function gathered(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const piece of content) copies.push(Buffer.from(piece))
  return Buffer.concat(copies)
}
