import { errnoOf } from '../../core/failure.ts'
import type { FileIo } from './file-io.ts'
import type { Segment } from './segment.ts'

/** What is read ahead at once. */
const windowBytes = 32 * 1024

/** Records that are asked for in one tick and lie one behind the other are read together. */
export interface ReadAhead {
  /**
   * Fills the target with the record that begins there.
   * @returns false when that has to be done in the usual way
   */
  read(segment: Segment, offset: number, target: Buffer): boolean
}

/**
 * What came in together is asked for together (a batch of a client's), and a read of a kilobyte
 * costs nearly as much as one of thirty. Nothing is read ahead until a record is asked for that
 * lies right behind the one before, and nothing is kept for the next tick. A window ends where
 * the segment did when it was read: what is written behind it is not whole yet.
 */
export function createReadAhead(io: FileIo): ReadAhead {
  const window = Buffer.allocUnsafeSlow(windowBytes)
  /** Whose bytes from start to end are in the window; the segment is undefined when there are none. */
  let held: Segment | undefined
  let start = 0
  let end = 0
  /** Where the record that was asked for last ends. */
  let lastSegment: Segment | undefined
  let lastEnd = 0

  function forget(): void {
    held = undefined
    lastSegment = undefined
  }

  /** Reads from there on; false when that is not to be had at once. */
  function fill(segment: Segment, offset: number): boolean {
    held = undefined
    const bytes = Math.min(windowBytes, segment.bytes - offset)
    const read = readWindow(segment, offset, bytes)
    if (read === undefined) return false
    held = segment
    start = offset
    end = offset + read
    return true
  }

  function readWindow(segment: Segment, offset: number, bytes: number): number | undefined {
    try {
      return io.readNow(segment.fd, window.subarray(0, bytes), offset)
    } catch (error) {
      // What lies behind the record may be what cannot be read: its own reading tells.
      if (errnoOf(error) !== undefined) return undefined
      throw error
    }
  }

  return {
    read(segment, offset, target) {
      const stop = offset + target.length
      const follows = lastSegment === segment && lastEnd === offset
      if (!lastSegment) setImmediate(forget)
      lastSegment = segment
      lastEnd = stop
      if (target.length > windowBytes) return false
      if (held !== segment || offset < start || stop > end) {
        if (!follows || !fill(segment, offset) || stop > end) return false
      }
      window.copy(target, 0, offset - start, stop - start)
      return true
    },
  }
}
