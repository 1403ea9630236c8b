import { randomUUID } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobSource } from '../client/source.ts'
import type { Clock } from '../core/clock.ts'
import type { DigestFunction } from '../core/digest.ts'
import { createHasher, digestOf } from '../core/hash.ts'

/** What an action writes to one of its streams, received in pieces. */
export interface StreamSink {
  /**
   * Takes a piece and keeps it.
   * @returns undefined, or a promise that settles when the next piece may come
   */
  write(piece: Uint8Array): Promise<void> | undefined
  /** Its content, as long as that is small. */
  readonly small: Uint8Array | undefined
  /** Forgets its content, as long as that is small. */
  clear(): void
  /**
   * Nothing more will come.
   * @throws the system error when it could not be written to disk
   */
  finish(): Promise<BlobSource>
  /** Closes its file, if it has one. The blob can no longer be read. */
  close(): Promise<void>
}

export interface SinkOptions {
  readonly fn: DigestFunction
  /** Where large output goes. */
  readonly directory: string
  readonly clock: Clock
  /** Called with what was written, after a short delay, up to 1 MiB in all. */
  readonly onData: (data: Uint8Array) => void
}

/** Output up to this size stays in memory. */
const keptBytesMax = 64 * 1024
/** How often output is passed on; an action that ends sooner costs nothing. */
const everyMs = 250
/** The most that one stream of an action may send while it runs; the result has all of it. */
const followedBytesMax = 1024 * 1024
/** An unlinked file is opened by its descriptor. */
const descriptors = process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd'

/** An empty stream. */
export function createSink({ fn, directory, clock, onData }: SinkOptions): StreamSink {
  const follower = createFollower(clock, onData)
  let kept: Uint8Array[] = []
  let bytes = 0
  let spill: Spill | undefined

  return {
    write(piece) {
      follower.write(piece)
      bytes += piece.byteLength
      if (spill) return spill.write(piece)
      kept.push(piece)
      if (bytes <= keptBytesMax) return undefined
      spill = createSpill(directory, fn)
      const whole = Buffer.concat(kept)
      kept = []
      return spill.write(whole)
    },
    get small() {
      return spill ? undefined : Buffer.concat(kept)
    },
    clear() {
      if (spill) return
      kept = []
      bytes = 0
    },
    async finish() {
      follower.finish()
      if (spill) return spill.finish()
      const content = Buffer.concat(kept)
      return { digest: digestOf(fn, content), content }
    },
    close: async () => spill?.close(),
  }
}

interface Spill {
  write(piece: Uint8Array): Promise<void>
  finish(): Promise<BlobSource>
  close(): Promise<void>
}

/** An unlinked file, so that no action finds it. */
function createSpill(directory: string, fn: DigestFunction): Spill {
  const hasher = createHasher(fn)
  let size = 0
  let failure: unknown
  const opened = openNameless(directory)
  let last: Promise<void> = opened.then(() => undefined, failed)
  function failed(error: unknown) {
    failure ??= error
  }
  const append = async (piece: Uint8Array): Promise<void> => {
    if (failure !== undefined) return
    const file = await opened
    for (let at = 0; at < piece.byteLength; ) at += (await file.write(piece, at)).bytesWritten
    hasher.update(piece)
    size += piece.byteLength
  }
  return {
    write(piece) {
      last = last.then(() => append(piece)).catch(failed)
      return last
    },
    async finish() {
      await last
      if (failure !== undefined) throw failure
      return { digest: { fn, hash: hasher.hex(), size }, content: `${descriptors}/${(await opened).fd}` }
    },
    async close() {
      await last
      const [file] = await Promise.allSettled([opened])
      if (file.status === 'fulfilled') await file.value.close()
    },
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, randomUUID())
  const file = await open(path, 'wx+', 0o600)
  unlinkSync(path)
  return file
}

interface Follower {
  write(piece: Uint8Array): void
  /** Passes on the rest, if anything was passed on before, and stops. */
  finish(): void
}

function createFollower(clock: Clock, onData: (data: Uint8Array) => void): Follower {
  let room = followedBytesMax
  let waiting: Uint8Array[] = []
  let cancel: (() => void) | undefined
  let begun = false
  const flush = () => {
    cancel = undefined
    begun = true
    for (const piece of waiting.splice(0)) onData(piece)
  }
  return {
    write(piece) {
      if (room === 0) return
      const followed = piece.subarray(0, room)
      room -= followed.byteLength
      waiting.push(followed)
      cancel ??= clock.after(everyMs, flush)
    },
    finish() {
      cancel?.()
      if (begun) flush()
      waiting = []
    },
  }
}
