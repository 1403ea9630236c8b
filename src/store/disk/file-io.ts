import fs from 'node:fs'
import { promisify } from 'node:util'

const readAsync = promisify(fs.read)
const writevAsync = promisify(fs.writev)

/**
 * Moves bytes between memory and files. Small transfers run on the event loop while the disk
 * answers from its cache, which is several times faster than a trip through the thread pool
 * (test/bench/store.ts); when one has been slow, the next ones go through the pool.
 */
export interface FileIo {
  /**
   * Fills the target from a position of a file; fewer bytes only where the file ends.
   * @returns how many, at once where that was possible
   */
  read(fd: number, target: Uint8Array, position: number): number | Promise<number>
  /** The same, or undefined when it is not to be done at once. */
  readNow(fd: number, target: Uint8Array, position: number): number | undefined
  /** Writes all parts, one after the other, at a position of a file; undefined when that is done already. */
  write(fd: number, parts: readonly Uint8Array[], position: number): undefined | Promise<void>
}

/** More than this is never moved on the event loop: about 0.3 ms from and to the page cache. */
export const inlineBytesMax = 512 * 1024
/** A transfer that took longer has met the disk itself. */
const slowMs = 4
/** How many transfers then go through the thread pool. */
const pooledAfterSlow = 200

export function createFileIo(now: () => number = () => performance.now()): FileIo {
  let pooled = 0

  function inline(bytes: number): boolean {
    if (bytes > inlineBytesMax) return false
    if (pooled === 0) return true
    pooled -= 1
    return false
  }

  function timed<T>(work: () => T): T {
    const start = now()
    const result = work()
    if (now() - start > slowMs) pooled = pooledAfterSlow
    return result
  }

  function readNow(fd: number, target: Uint8Array, position: number): number | undefined {
    return inline(target.byteLength) ? timed(() => readInline(fd, target, position)) : undefined
  }

  return {
    read: (fd, target, position) => readNow(fd, target, position) ?? readPooled(fd, target, position),
    readNow,
    write(fd, parts, position) {
      let bytes = 0
      for (const part of parts) bytes += part.byteLength
      if (!inline(bytes)) return writePooled(fd, parts, position)
      timed(() => writeInline(fd, parts, bytes, position))
      return undefined
    },
  }
}

function readInline(fd: number, target: Uint8Array, position: number): number {
  let filled = 0
  while (filled < target.byteLength) {
    const read = fs.readSync(fd, target, filled, target.byteLength - filled, position + filled)
    if (read === 0) break
    filled += read
  }
  return filled
}

async function readPooled(fd: number, target: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < target.byteLength) {
    const { bytesRead } = await readAsync(fd, target, filled, target.byteLength - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

function writeInline(fd: number, parts: readonly Uint8Array[], bytes: number, position: number): void {
  let left = bytes
  let rest = parts
  while (left > 0) {
    const [only] = rest
    const at = position + bytes - left
    const written =
      rest.length === 1 && only ? fs.writeSync(fd, only, 0, only.byteLength, at) : fs.writevSync(fd, rest, at)
    left -= written
    // Nearly always one call writes all.
    if (left > 0) rest = without(rest, written)
  }
}

async function writePooled(fd: number, parts: readonly Uint8Array[], position: number): Promise<void> {
  let at = position
  let rest = parts
  while (rest.length > 0) {
    const { bytesWritten } = await writevAsync(fd, rest, at)
    at += bytesWritten
    rest = without(rest, bytesWritten)
  }
}

/** What remains of the parts after this many bytes have been written. */
function without(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes
  let at = 0
  while (at < parts.length && left >= (parts[at]?.byteLength ?? 0)) {
    left -= parts[at]?.byteLength ?? 0
    at += 1
  }
  const rest = parts.slice(at)
  const [first] = rest
  if (left > 0 && first) rest[0] = first.subarray(left)
  return rest
}
