import type { Digest } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { type Blobs, type BlobWriter, stored, type WholeBlob } from '../blobs.ts'
import { distinct } from '../distinct.ts'
import { largeFileBytes } from './large-file.ts'
import type { LargeFiles } from './large-files.ts'
import type { SegmentLog } from './segment-log.ts'
import type { Space } from './space.ts'

export interface DiskBlobsOptions {
  readonly log: SegmentLog
  readonly large: LargeFiles
  readonly space: Space
  readonly smallBytesMax: number
  close(): Promise<void>
}

const done = Promise.resolve()

/** Blobs on disk: small ones in segments, large ones in files of their own, one ledger for both. */
export function createDiskBlobs({ log, large, space, smallBytesMax, close }: DiskBlobsOptions): Blobs {
  const isSmall = (digest: Digest) => digest.size <= smallBytesMax
  const touch = (digest: Digest) => (isSmall(digest) ? log.touch(digest) : large.touch(digest))

  /** @returns undefined if the room is there at once */
  function hold(bytes: number): undefined | Promise<void> {
    return space.tryHold(bytes) ? undefined : space.hold(bytes)
  }

  /** Small blobs are gathered in memory, and take room on the disk when they are whole. */
  function smallWriter(digest: Digest): BlobWriter {
    const parts: Uint8Array[] = []
    let written = 0
    return {
      get written() {
        return written
      },
      write(chunk) {
        written += chunk.byteLength
        parts.push(new Uint8Array(chunk))
        return undefined
      },
      async commit() {
        if (log.touch(digest)) return
        await hold(log.cost(digest, digest.size))
        await log.append(digest, parts)
      },
      async abort() {
        parts.length = 0
      },
    }
  }

  async function write(digest: Digest): Promise<BlobWriter> {
    space.assertFits(isSmall(digest) ? log.cost(digest, digest.size) : largeFileBytes(digest.size))
    return isSmall(digest) ? smallWriter(digest) : large.writer(digest)
  }

  async function putLarge(digest: Digest, bytes: Uint8Array): Promise<void> {
    const writer = await write(digest)
    try {
      await writer.write(bytes)
      await writer.commit()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  async function getLarge(digest: Digest): Promise<Uint8Array | undefined> {
    const pieces = await large.read(digest, { offset: 0 })
    return pieces && joined(pieces, digest.size)
  }

  // Not async: its promise, and that of the room, would be a good part of a small blob's time.
  function put(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (touch(digest)) return done
    if (!isSmall(digest)) return putLarge(digest, bytes)
    const held = hold(log.cost(digest, digest.size))
    return held ? held.then(() => log.append(digest, [bytes])) : log.append(digest, [bytes])
  }

  /**
   * Stores small blobs with one reservation of room for all.
   * @returns false when not all of them could be stored this way; putting each by itself then shows why
   */
  async function putTogether(blobs: readonly WholeBlob[]): Promise<boolean> {
    try {
      await hold(blobs.reduce((sum, { digest }) => sum + log.cost(digest, digest.size), 0))
      await log.appendAll(blobs)
      return true
    } catch (error) {
      if (error instanceof Failure) return false
      throw error
    }
  }

  return {
    async findMissing(digests, holder) {
      return distinct(holder ? holder.keep(digests) : digests.filter((digest) => !touch(digest)))
    },
    locate: async (fn, hash) => log.locate(fn, hash) ?? large.locate(fn, hash),
    get: (digest, allocate) => (isSmall(digest) ? log.get(digest, allocate) : getLarge(digest)),
    put,
    async putAll(blobs) {
      const absent = blobs.filter(({ digest }) => !touch(digest))
      if (absent.every(({ digest }) => isSmall(digest)) && (await putTogether(absent))) return blobs.map(() => stored)
      return Promise.allSettled(blobs.map(({ digest, bytes }) => put(digest, bytes)))
    },
    async read(digest, range = { offset: 0 }, allocate = Buffer.allocUnsafeSlow) {
      return isSmall(digest) ? log.read(digest, range, allocate) : large.read(digest, range, allocate)
    },
    write,
    delete: (digest) => (isSmall(digest) ? log.delete(digest) : large.delete(digest)),
    close,
  }
}

/** Only for blobs of at most smallBlobBytesMax, as `get` promises. */
async function joined(pieces: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size)
  let offset = 0
  for await (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}
