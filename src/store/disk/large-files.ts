import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Digest, digestKey, digestText } from '../../core/digest.ts'
import { errnoOf, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Allocate, BlobWriter, ReadRange } from '../blobs.ts'
import type { Age } from './age.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { syncFolder } from './folder.ts'
import { largeFileBytes, largeFilePath, readTail } from './large-file.ts'
import { createLargeWriter } from './large-writer.ts'
import { checkedPieces } from './pieces.ts'
import type { Space } from './space.ts'
import type { Transfer } from './transfer.ts'

/** Large blobs, one file each, in the order of their last use. */
export interface LargeFiles {
  /** Is it there? Counts as its use. */
  touch(digest: Digest): boolean
  read(digest: Digest, range: ReadRange, allocate?: Allocate): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Begins a file; what it takes must be held in the ledger already, and is settled or released at its end. */
  writer(digest: Digest): BlobWriter
  delete(digest: Digest): Promise<void>
  /** Blobs that it holds. */
  readonly entries: number
  /** Age of the one that was not used for longest. */
  readonly oldestAt: number | undefined
  evictOldest(): Promise<void>
}

interface LargeFile {
  readonly digest: Digest
  readonly path: string
  readonly bytes: number
  used: number
  /** One for being in the store, and one for each that reads it; its bytes are free at 0. */
  holds: number
}

export interface LargeFilesOptions {
  readonly folder: string
  /** Where files are written, and where they go to die. */
  readonly incoming: string
  /** What was found at start, the oldest first. */
  readonly found: readonly { readonly digest: Digest; readonly age: number }[]
  readonly space: Space
  readonly age: Age
  readonly durability: Durability
  readonly transfer: Transfer
  readonly log: Log
}

const unlinkAsync = promisify(fs.unlink)

export function createLargeFiles(options: LargeFilesOptions): LargeFiles {
  const { folder, incoming, space, age, durability, transfer, log } = options
  // A Map iterates in the order of insertion: deleting and setting makes a file the newest.
  const files = new Map<string, LargeFile>()
  for (const { digest, age: used } of options.found) {
    add(digest, used)
    space.add(largeFileBytes(digest.size))
  }
  let temporaries = 0
  /** Were any made whose names may not be on disk yet? */
  let newFolders = false

  function add(digest: Digest, used: number): void {
    const path = largeFilePath(folder, digest)
    files.set(digestKey(digest), { digest, path, bytes: largeFileBytes(digest.size), used, holds: 1 })
  }

  function use(digest: Digest): LargeFile | undefined {
    const key = digestKey(digest)
    const file = files.get(key)
    if (!file) return undefined
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
  async function drop(file: LargeFile): Promise<void> {
    const away = temporaryPath()
    files.delete(digestKey(file.digest))
    space.remove(file.bytes, true)
    try {
      fs.renameSync(file.path, away)
      await unlinkAsync(away)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw diskFailure(error, 'removing a blob from the store', file.path)
    }
    letGo(file)
  }

  function letGo(file: LargeFile): void {
    file.holds -= 1
    if (file.holds === 0) space.release(file.bytes)
  }

  function damaged(file: LargeFile): void {
    log.warn('a stored blob is damaged; it is dropped', { digest: digestText(file.digest), file: file.path })
    if (files.get(digestKey(file.digest)) !== file) return
    drop(file).catch((error: unknown) =>
      log.warn('cannot remove a damaged blob', { file: file.path, reason: messageOf(error) }),
    )
  }

  function open(file: LargeFile): number | undefined {
    try {
      return fs.openSync(file.path, 'r')
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw diskFailure(error, 'reading from the store', file.path)
      damaged(file)
      return undefined
    }
  }

  async function read(
    digest: Digest,
    range: ReadRange,
    allocate: Allocate = Buffer.allocUnsafeSlow,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = use(digest)
    const fd = file && open(file)
    if (!file || fd === undefined) return undefined
    file.holds += 1
    const release = () => {
      fs.closeSync(fd)
      letGo(file)
    }
    const sums = sumsOf(file, fd)
    if (!sums) {
      release()
      damaged(file)
      return undefined
    }
    const value = { fd, base: 0, length: digest.size, sums, name: digestText(digest), release }
    try {
      return await checkedPieces({ ...value, damaged: () => damaged(file) }, range, transfer, allocate)
    } catch (error) {
      return unreadable(error, file)
    }
  }

  function sumsOf(file: LargeFile, fd: number): Uint32Array | undefined {
    try {
      return readTail(fd, file.digest.size, file.path)
    } catch (error) {
      return unreadable(error, file)
    }
  }

  /** A medium that cannot give a blob back has lost it. */
  function unreadable(error: unknown, file: LargeFile): undefined {
    if (errnoOf(error) !== 'EIO') throw diskFailure(error, 'reading from the store', file.path)
    damaged(file)
    return undefined
  }

  /** In one go, so that no other writer, reader or eviction sees half of it. */
  function install(digest: Digest, from: string): boolean {
    if (use(digest)) return false
    const target = largeFilePath(folder, digest)
    moveTo(target, from)
    space.settle(largeFileBytes(digest.size))
    add(digest, age.now)
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
      transfer,
      space,
      install: (path) => install(digest, path),
      syncNames: () => syncNames(digest),
    })
  }

  return {
    touch: (digest) => use(digest) !== undefined,
    read,
    writer,
    async delete(digest) {
      const file = files.get(digestKey(digest))
      if (file) await drop(file)
    },
    get entries() {
      return files.size
    },
    get oldestAt() {
      const [oldest] = files.values()
      return oldest?.used
    },
    async evictOldest() {
      const [oldest] = files.values()
      if (oldest) await drop(oldest)
    },
  }
}
