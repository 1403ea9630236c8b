import { type Digest, digestKey } from '../../core/digest.ts'
import { chunkBytesMax } from '../../core/limits.ts'
import type { Blobs, BlobWriter, ReadRange } from '../blobs.ts'
import { distinct } from '../distinct.ts'
import { createLru, locateIn } from './lru.ts'

/** A blob as it came in: whole, or in the pieces of its writer, so that none is ever joined. */
type Pieces = readonly Uint8Array[]

/**
 * Blobs in memory, evicted by last use. Bytes are not verified here: put `verified` before it.
 * @param bytesMax what blobs and writes in flight may take together; keys come on top
 */
export function createMemoryBlobs(bytesMax: number): Blobs {
  const lru = createLru<Pieces>(bytesMax)

  function writer(digest: Digest): BlobWriter {
    const pieces: Uint8Array[] = []
    const reservations: (() => void)[] = []
    let written = 0
    const release = () => {
      for (const each of reservations.splice(0)) each()
    }
    return {
      get written() {
        return written
      },
      write(chunk) {
        reservations.push(lru.reserve(chunk.byteLength))
        written += chunk.byteLength
        pieces.push(new Uint8Array(chunk))
        return undefined
      },
      async commit() {
        release()
        lru.set(digestKey(digest), pieces, digest.size)
      },
      async abort() {
        release()
        pieces.length = 0
      },
    }
  }

  async function put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const key = digestKey(digest)
    if (lru.use(key)) return
    lru.reserve(digest.size)()
    lru.set(key, [new Uint8Array(bytes)], digest.size)
  }

  return {
    async findMissing(digests) {
      return distinct(digests.filter((digest) => lru.use(digestKey(digest)) === undefined))
    },
    locate: async (fn, hash) => locateIn(lru, fn, hash),
    async get(digest) {
      const pieces = lru.use(digestKey(digest))
      const [only] = pieces ?? []
      return pieces?.length === 1 ? only : pieces && joined(pieces, digest.size)
    },
    put,
    putAll: (blobs) => Promise.allSettled(blobs.map(({ digest, bytes }) => put(digest, bytes))),
    async read(digest, range) {
      const pieces = lru.use(digestKey(digest))
      return pieces && cut(pieces, range ?? { offset: 0 })
    },
    async write(digest) {
      lru.assertFits(digest.size)
      return writer(digest)
    },
    async delete(digest) {
      lru.delete(digestKey(digest))
    },
    async close() {
      lru.clear()
    },
  }
}

/** Only for blobs of at most smallBlobBytesMax, as `get` promises. */
function joined(pieces: Pieces, size: number): Uint8Array {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}

/** The bytes of a range, in views of at most chunkBytesMax. */
async function* cut(pieces: Pieces, range: ReadRange): AsyncGenerator<Uint8Array> {
  let skip = range.offset
  let left = range.limit ?? Number.POSITIVE_INFINITY
  for (const piece of pieces) {
    let at = Math.min(skip, piece.byteLength)
    skip -= at
    while (at < piece.byteLength && left > 0) {
      const view = piece.subarray(at, at + Math.min(chunkBytesMax, left))
      at += view.byteLength
      left -= view.byteLength
      yield view
    }
  }
}
