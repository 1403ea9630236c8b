import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Clock } from '../../core/clock.ts'
import { type Digest, type DigestFunction, digestText } from '../../core/digest.ts'
import { errnoOf, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Allocate, BlobWriter, ReadRange } from '../blobs.ts'
import type { Age } from './age.ts'
import type { Dates } from './dates.ts'
import type { Durability } from './durability.ts'
import type { FileIo } from './file-io.ts'
import { largeFileBytes, largeFilePath } from './large-file.ts'
import { createLargeFileNames } from './large-file-names.ts'
import { createLargeFileTable, type KeptFile, type LargeFile } from './large-file-table.ts'
import { createLargeReader } from './large-reader.ts'
import { createLargeWriter } from './large-writer.ts'
import type { Markable, MarksChanged } from './pin-tally.ts'
import { unknownReuse } from './reuse.ts'
import type { Reuses } from './reuses.ts'
import type { Space } from './space.ts'

/** Large blobs, one file each, in the order of their last use. */
export interface LargeFiles extends Markable {
  /** Is it there? Counts as its use. */
  touch(digest: Digest): boolean
  /** The blob with this hash, whatever its size. Does not count as a use. */
  locate(fn: DigestFunction, hash: string): Digest | undefined
  read(digest: Digest, range: ReadRange, allocate?: Allocate): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Begins a file, for which room is taken as its bytes come. */
  writer(digest: Digest): BlobWriter
  delete(digest: Digest): Promise<void>
  /** Blobs that it holds. */
  readonly entries: number
  /** In the order of their last use. */
  all(): Iterable<LargeFile>
  /** Is this very file still there? A blob that was dropped and stored again has another one. */
  has(file: LargeFile): boolean
  evict(file: LargeFile): Promise<void>
}

export interface LargeFilesOptions {
  readonly folder: string
  /** Where files are written before they are complete, and moved before they are removed. */
  readonly incoming: string
  /** What was found at start, the oldest first. */
  readonly found: Dates['files']
  readonly space: Space
  readonly age: Age
  readonly clock: Clock
  readonly reuses: Reuses
  readonly durability: Durability
  readonly io: FileIo
  readonly log: Log
  /** The disk is full: evicts something; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
  /** A file was evicted. */
  evicted(file: LargeFile): void
  /** Is told of every change to what invocations hold. */
  readonly marked: MarksChanged
}

const unlinkAsync = promisify(fs.unlink)

export function createLargeFiles(options: LargeFilesOptions): LargeFiles {
  const { folder, incoming, space, age, clock, reuses, durability, io, log } = options
  const files = createLargeFileTable(folder, age, reuses, options.marked)
  const names = createLargeFileNames(folder, incoming)
  for (const { digest, age: used, writtenMs } of options.found) {
    files.add({ digest, used, writtenMs, reuse: unknownReuse })
    space.add(largeFileBytes(digest.size))
  }
  const readFile = createLargeReader<KeptFile>({
    io,
    damaged,
    hold(file) {
      file.holds += 1
      return () => letGo(file)
    },
  })

  /**
   * Takes a file out. It is renamed away at once, before any writer can put a new one of the
   * same name in its place; unlinking it, which may take long, follows.
   */
  async function drop(file: KeptFile): Promise<void> {
    const away = names.temporary()
    files.remove(file)
    space.remove(file.bytes, true)
    try {
      fs.renameSync(file.path, away)
      await unlinkAsync(away)
    } catch (error) {
      // It is not the store's any more in any case; a write that needs room must not fail for it.
      if (errnoOf(error) !== 'ENOENT')
        log.warn('cannot remove a blob from the store', { file: file.path, reason: messageOf(error) })
    }
    letGo(file)
  }

  function letGo(file: KeptFile): void {
    file.holds -= 1
    if (file.holds === 0) space.release(file.bytes)
  }

  function damaged(file: KeptFile): void {
    log.warn('a stored blob is damaged; it is dropped', { digest: digestText(file.digest), file: file.path })
    if (files.get(file.digest) !== file) return
    void drop(file)
  }

  /** In one go, so that no other writer, reader or eviction sees half of it. */
  function install(digest: Digest, from: string): boolean {
    if (files.use(digest)) return false
    names.place(from, largeFilePath(folder, digest))
    space.settle(largeFileBytes(digest.size))
    files.add({ digest, used: age.now, writtenMs: clock.now(), reuse: reuses.stored(digest, digest.size) })
    age.wrote(largeFileBytes(digest.size))
    return true
  }

  function writer(digest: Digest): BlobWriter {
    return createLargeWriter({
      digest,
      path: names.temporary(),
      durability,
      log,
      io,
      space,
      relieve: options.relieve,
      install: (path) => install(digest, path),
      syncNames: () => names.sync(largeFilePath(folder, digest)),
    })
  }

  return {
    touch: (digest) => files.use(digest) !== undefined,
    pin: files.pin,
    unpin: files.unpin,
    unpinAll: files.unpinAll,
    locate: files.locate,
    async read(digest, range, allocate) {
      const file = files.use(digest)
      return file && readFile(file, range, allocate)
    },
    writer,
    async delete(digest) {
      const file = files.get(digest)
      if (file) await drop(file)
    },
    get entries() {
      return files.size
    },
    all: files.all,
    has: (file) => files.get(file.digest) === file,
    async evict(file) {
      const own = files.get(file.digest)
      if (own !== file) return
      options.evicted(own)
      await drop(own)
    },
  }
}
