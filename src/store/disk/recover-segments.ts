import fs from 'node:fs'
import type { Log } from '../../telemetry/log.ts'
import type { DigestIndex } from './digest-index.ts'
import { assertVersion } from './folder.ts'
import { type Footer, footerEntryBytes, readFooter, trailerBytes } from './footer.ts'
import { scanSegment } from './scan.ts'
import { type Segment, segmentHeaderBytes, segmentNumbers, segmentOf, segmentPath, segmentVersion } from './segment.ts'

export interface RecoverOptions {
  readonly folder: string
  /** Gets every value that is found. */
  readonly index: DigestIndex
  /** A last segment shorter than this is continued. */
  readonly segmentBytes: number
  readonly log: Log
}

/** A segment as it was found. */
export interface RecoveredSegment {
  readonly segment: Segment
  /** When it was last written, in milliseconds since 1970. */
  readonly writtenMs: number
}

/**
 * Opens the segments of a folder, oldest first, and indexes what they hold: from their
 * footers, or, where a footer is absent or damaged, record by record. What follows the last
 * sound record is cut off: it was never acknowledged, or is damaged.
 * @throws Failure 'precondition' when a segment is of another version
 */
export function recoverSegments(options: RecoverOptions): RecoveredSegment[] {
  const recovered: RecoveredSegment[] = []
  const numbers = segmentNumbers(options.folder)
  for (const number of numbers) {
    const segment = openSegment(options, number, number === numbers.at(-1))
    if (segment) recovered.push(segment)
  }
  return recovered
}

function openSegment(options: RecoverOptions, number: number, last: boolean): RecoveredSegment | undefined {
  const path = segmentPath(options.folder, number)
  const fd = fs.openSync(path, 'r+')
  const { size, mtimeMs } = fs.fstatSync(fd)
  const header = Buffer.alloc(Math.min(size, segmentHeaderBytes))
  fs.readSync(fd, header, 0, header.length, 0)
  const version = segmentVersion(header)
  if (version === undefined) return discardSegment(options, path, fd)
  try {
    assertVersion(version, path)
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
  const found = readFooter(fd, size) ?? scan(options, path, fd, size)
  const segment = segmentOf({ number, path, fd, bytes: found.offset, records: countOf(found), age: 0 })
  adopt(options, segment, found, size, last)
  return { segment, writtenMs: mtimeMs }
}

/** A kill between creating a segment and writing its header leaves this; damage may too. */
function discardSegment({ log }: RecoverOptions, path: string, fd: number): undefined {
  log.warn('a segment has no sound header; it is removed', { segment: path })
  fs.closeSync(fd)
  fs.unlinkSync(path)
  return undefined
}

function scan({ log }: RecoverOptions, path: string, fd: number, size: number): Footer {
  const found = scanSegment(fd, size)
  if (found.offset < size) {
    log.info('what follows the last whole record of a segment is cut off', {
      segment: path,
      offset: found.offset,
      bytes: size - found.offset,
    })
    fs.ftruncateSync(fd, found.offset)
  }
  return found
}

function adopt({ index, segmentBytes }: RecoverOptions, segment: Segment, found: Footer, size: number, last: boolean) {
  for (const digest of found.deletions) index.delete(digest)
  for (const { digest, offset, length } of found.values)
    index.set(digest, { segment: segment.number, offset, length }, 0)
  segment.deletions.push(...found.deletions)
  const finished = found.offset < size && fs.fstatSync(segment.fd).size === size
  if (finished && last && found.offset < segmentBytes) fs.ftruncateSync(segment.fd, found.offset)
  else if (finished) segment.sealing = Promise.resolve()
  segment.bytesCounted = segment.sealing ? size : found.offset + footerBytes(found)
}

function footerBytes({ deletions, values }: Footer): number {
  let bytes = trailerBytes
  for (const { fn } of deletions) bytes += footerEntryBytes(fn)
  for (const { digest } of values) bytes += footerEntryBytes(digest.fn)
  return bytes
}

function countOf({ deletions, values }: Footer): number {
  return deletions.length + values.length
}
