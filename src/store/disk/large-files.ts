import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Digest, type DigestFunction, digestKey, digestText } from '../../core/digest.ts'
import { errnoOf, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Allocate, BlobWriter, ReadRange } from '../blobs.ts'
import type { Age } from './age.ts'
import type { Durability } from './durability.ts'
import type { FileIo } from './file-io.ts'
import { syncFolder } from './folder.ts'
import { largeFileBytes, largeFilePath } from './large-file.ts'
import { createLargeReader } from './large-reader.ts'
import { createLargeWriter } from './large-writer.ts'
import { burstSteps, type Reuse, unknownReuse } from './reuse.ts'
import type { Reuses } from './reuses.ts'
import type { Space } from './space.ts'

/** Large blobs, one file each, in the order of their last use. */
export interface LargeFiles {
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

/** A blob in a file of its own. */
export interface LargeFile {
  readonly digest: Digest
  readonly path: string
  /** What it takes on disk. */
  readonly bytes: number
  /** Age of its last use. */
  readonly used: number
  readonly reuse: Reuse
}

interface OwnFile extends LargeFile {
  used: number
  reuse: Reuse
  /** One for being in the store, and one for each that reads it; its bytes are free at 0. */
  holds: number
}

export interface LargeFilesOptions {
  readonly folder: string
  /** Where files are written before they are complete, and moved before they are removed. */
  readonly incoming: string
  /** What was found at start, the oldest first. */
  readonly found: readonly { readonly digest: Digest; readonly age: number }[]
  readonly space: Space
  readonly age: Age
  readonly reuses: Reuses
  readonly durability: Durability
  readonly io: FileIo
  readonly log: Log
  /** The disk is full: evicts something; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
  /** A file was evicted. */
  evicted(file: LargeFile): void
}

const unlinkAsync = promisify(fs.unlink)

export function createLargeFiles(options: LargeFilesOptions): LargeFiles {
  const { folder, incoming, space, age, reuses, durability, io, log } = options
  // A Map iterates in the order of insertion: deleting and setting makes a file the newest.
  const files = new Map<string, OwnFile>()
  // Its bytes are held against their digest before a blob is stored, so that a hash has one size.
  const byHash = new Map<string, Digest>()
  for (const { digest, age: used } of options.found) {
    add(digest, used, unknownReuse)
    space.add(largeFileBytes(digest.size))
  }
  const readFile = createLargeReader<OwnFile>({
    io,
    damaged,
    hold(file) {
      file.holds += 1
      return () => letGo(file)
    },
  })
  let temporaries = 0
  /** Were any made whose names may not be on disk yet? */
  let newFolders = false

  function add(digest: Digest, used: number, reuse: Reuse): void {
    const path = largeFilePath(folder, digest)
    byHash.set(hashKey(digest.fn, digest.hash), digest)
    files.set(digestKey(digest), { digest, path, bytes: largeFileBytes(digest.size), used, reuse, holds: 1 })
  }

  function use(digest: Digest): OwnFile | undefined {
    const key = digestKey(digest)
    const file = files.get(key)
    if (!file) return undefined
    const steps = age.now - file.used
    if (steps >= burstSteps) file.reuse = reuses.again(file.reuse, steps, file.bytes)
    file.used = age.now
    files.delete(key)
    files.set(key, file)
    return file
  }

  function temporaryPath(): string {
    temporaries += 1
    return join(incoming, String(temporaries))
  }

  /**
   * Takes a file out. It is renamed away at once, before any writer can put a new one of the
   * same name in its place; unlinking it, which may take long, follows.
   */
  async function drop(file: OwnFile): Promise<void> {
    const away = temporaryPath()
    files.delete(digestKey(file.digest))
    byHash.delete(hashKey(file.digest.fn, file.digest.hash))
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

  function letGo(file: OwnFile): void {
    file.holds -= 1
    if (file.holds === 0) space.release(file.bytes)
  }

  function damaged(file: OwnFile): void {
    log.warn('a stored blob is damaged; it is dropped', { digest: digestText(file.digest), file: file.path })
    if (files.get(digestKey(file.digest)) !== file) return
    void drop(file)
  }

  /** In one go, so that no other writer, reader or eviction sees half of it. */
  function install(digest: Digest, from: string): boolean {
    if (use(digest)) return false
    const target = largeFilePath(folder, digest)
    moveTo(target, from)
    space.settle(largeFileBytes(digest.size))
    add(digest, age.now, reuses.stored(digest, digest.size))
    age.wrote(largeFileBytes(digest.size))
    return true
  }

  /** Only the first blob of a folder finds none: to make sure each time would cost as much as the move. */
  function moveTo(target: string, from: string): void {
    try {
      fs.renameSync(from, target)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      if (fs.mkdirSync(dirname(target), { recursive: true })) newFolders = true
      fs.renameSync(from, target)
    }
  }

  async function syncNames(digest: Digest): Promise<void> {
    await syncFolder(dirname(largeFilePath(folder, digest)))
    if (!newFolders) return
    await syncFolder(folder)
    newFolders = false
  }

  function writer(digest: Digest): BlobWriter {
    return createLargeWriter({
      digest,
      path: temporaryPath(),
      durability,
      log,
      io,
      space,
      relieve: options.relieve,
      install: (path) => install(digest, path),
      syncNames: () => syncNames(digest),
    })
  }

  return {
    touch: (digest) => use(digest) !== undefined,
    locate: (fn, hash) => byHash.get(hashKey(fn, hash)),
    async read(digest, range, allocate) {
      const file = use(digest)
      return file && readFile(file, range, allocate)
    },
    writer,
    async delete(digest) {
      const file = files.get(digestKey(digest))
      if (file) await drop(file)
    },
    get entries() {
      return files.size
    },
    all: () => files.values(),
    has: (file) => files.get(digestKey(file.digest)) === file,
    async evict(file) {
      const own = files.get(digestKey(file.digest))
      if (own !== file) return
      options.evicted(own)
      await drop(own)
    },
  }
}

function hashKey(fn: DigestFunction, hash: string): string {
  return `${fn}/${hash}`
}
