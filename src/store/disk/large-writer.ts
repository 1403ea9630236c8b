import type { Digest } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { BlobWriter } from '../blobs.ts'
import { createChecksummer } from './checksums.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import type { FileIo } from './file-io.ts'
import { withDiskRoom } from './full-disk.ts'
import { encodeTail, largeFileBytes } from './large-file.ts'
import type { Space } from './space.ts'
import { createTemporaryFile } from './temporary-file.ts'

/** What an error says was being done. */
const doing = 'writing to the store'

export interface LargeWriterOptions {
  readonly digest: Digest
  /** The temporary file. */
  readonly path: string
  readonly io: FileIo
  /** Gives room as bytes come. */
  readonly space: Space
  readonly durability: Durability
  readonly log: Log
  /** Puts the whole file in its place and settles its bytes; false when the blob is there already. */
  install(path: string): boolean
  /** Makes sure that the file's name survives a power cut. */
  syncNames(): Promise<void>
  /** The disk is full: evicts something; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
}

/** A large blob on its way in: a temporary file, and checksums behind its bytes at the end. */
export function createLargeWriter(options: LargeWriterOptions): BlobWriter {
  const { digest, path, io, space, durability, log, relieve } = options
  const checksummer = createChecksummer(digest.size)
  const tailBytes = largeFileBytes(digest.size) - digest.size
  const file = createTemporaryFile({ path, io, log, relieve })
  let written = 0
  /** Bytes whose checksums have been computed: of those that the disk refused too, as they come again. */
  let summed = 0
  let bytesHeld = 0
  let ended = false

  async function attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw diskFailure(error, doing, path)
    }
  }

  async function takeRoom(bytes: number): Promise<void> {
    if (!space.tryHold(bytes)) await space.hold(bytes)
    bytesHeld += bytes
    if (!ended) return
    giveRoomBack()
    throw new Failure('cancelled', 'the write was abandoned while it waited for room', { where: path })
  }

  function giveRoomBack(bytes = bytesHeld): void {
    space.release(bytes)
    bytesHeld -= bytes
  }

  /** Takes room for what is written; gives it back when that fails, unless all of it has been given back. */
  async function withRoom(bytes: number, work: () => undefined | Promise<void>): Promise<void> {
    await takeRoom(bytes)
    try {
      await work()
    } catch (error) {
      if (!ended) giveRoomBack(bytes)
      throw error
    }
  }

  /** Nothing has been taken when it fails: the same bytes may be given again. */
  function take(chunk: Uint8Array): undefined | Promise<void> {
    const writing = file.write(chunk, written)
    checksummer.update(summed === written ? chunk : chunk.subarray(summed - written))
    summed = written + chunk.byteLength
    if (writing)
      return writing.then(() => {
        written += chunk.byteLength
      })
    written += chunk.byteLength
    return undefined
  }

  /** At once where there is room, and the disk answers from its cache. */
  function write(chunk: Uint8Array): undefined | Promise<void> {
    const bytes = chunk.byteLength
    if (ended || !space.tryHold(bytes)) return attempt(() => withRoom(bytes, () => take(chunk)))
    bytesHeld += bytes
    try {
      return take(chunk)?.catch((error: unknown) => failed(error, bytes))
    } catch (error) {
      failed(error, bytes)
    }
  }

  function failed(error: unknown, bytes: number): never {
    if (!ended) giveRoomBack(bytes)
    throw diskFailure(error, doing, path)
  }

  async function finish(): Promise<void> {
    await file.write(encodeTail(checksummer.finish()), digest.size)
    if (durability === 'power') await file.sync()
    const installed = await withDiskRoom(
      async () => options.install(path),
      () => relieve(tailBytes),
    )
    if (!installed) return abort()
    ended = true
    bytesHeld = 0
    file.close()
    if (durability === 'power') await options.syncNames()
  }

  /** Never fails: what it would fail with would hide why the write was abandoned. */
  async function abort(): Promise<void> {
    if (ended) return
    ended = true
    if (file.opened) await file.discard()
    giveRoomBack()
  }

  return {
    get written() {
      return written
    },
    write,
    commit: () => attempt(() => withRoom(tailBytes, finish)),
    abort,
  }
}
