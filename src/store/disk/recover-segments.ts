import fs from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../telemetry/log.ts'
import { type Aside, entriesOf, isUnreadable } from './aside.ts'
import type { DigestIndex } from './digest-index.ts'
import { type Footer, footerEntryBytes, readFooter, trailerBytes } from './footer.ts'
import { assertVersion } from './format.ts'
import { scanSegment } from './scan.ts'
import { type Segment, segmentHeaderBytes, segmentNumber, segmentOf, segmentPath, segmentVersion } from './segment.ts'

export interface RecoverOptions {
  readonly folder: string
  /** Gets every value that is found. */
  readonly index: DigestIndex
  /** A last segment shorter than this is continued. */
  readonly segmentBytes: number
  readonly log: Log
  readonly aside: Aside
}

/**
 * Opens the segments of a folder, oldest first, and indexes what they hold: from their
 * footers, or, where a footer is absent or damaged, record by record. What follows the last
 * sound record is cut off: it was never acknowledged, or is damaged.
 * @throws Failure 'precondition' when a segment is of another version
 */
export function recoverSegments(options: RecoverOptions): Segment[] {
  const recovered: Segment[] = []
  const numbers = segmentNumbers(options)
  for (const number of numbers) {
    const segment = openSegment(options, number, number === numbers.at(-1))
    if (segment) recovered.push(segment)
  }
  return recovered
}

/** Ascending; what has the name of a segment and is not a file is moved aside. */
function segmentNumbers({ folder, log, aside }: RecoverOptions): number[] {
  const numbers: number[] = []
  for (const entry of entriesOf(folder, log)) {
    const number = segmentNumber(entry.name)
    if (number === undefined) continue
    if (entry.isFile()) numbers.push(number)
    else aside.move(join(folder, entry.name), 'a segment is not a file')
  }
  return numbers.sort((a, b) => a - b)
}

function openSegment(options: RecoverOptions, number: number, last: boolean): Segment | undefined {
  const path = segmentPath(options.folder, number)
  const fd = opened(options, path)
  if (fd === undefined) return undefined
  try {
    return readSegment(options, { number, path, fd, last })
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

function opened({ aside }: RecoverOptions, path: string): number | undefined {
  try {
    return fs.openSync(path, 'r+')
  } catch (error) {
    if (!isUnreadable(error)) throw error
    aside.move(path, 'a segment cannot be opened')
    return undefined
  }
}

interface FoundFile {
  readonly number: number
  readonly path: string
  readonly fd: number
  readonly last: boolean
}

function readSegment(options: RecoverOptions, { number, path, fd, last }: FoundFile): Segment | undefined {
  const { size, mtimeMs } = fs.fstatSync(fd)
  const header = Buffer.alloc(Math.min(size, segmentHeaderBytes))
  fs.readSync(fd, header, 0, header.length, 0)
  const version = segmentVersion(header, number)
  if (version === undefined) return discardSegment(options, path, fd, size)
  assertVersion(version, path)
  const found = readFooter(fd, size) ?? scan(options, path, fd, size)
  const segment = segmentOf({
    number,
    path,
    fd,
    bytes: found.offset,
    records: countOf(found),
    age: 0,
    writtenMs: mtimeMs,
  })
  adopt(options, segment, found, size, last)
  return segment
}

/** A kill between creating a segment and writing its header leaves less than a header; anything else is not ours to delete. */
function discardSegment({ log, aside }: RecoverOptions, path: string, fd: number, size: number): undefined {
  fs.closeSync(fd)
  if (size > segmentHeaderBytes) {
    aside.move(path, 'a segment has no sound header')
    return undefined
  }
  log.warn('a segment has no valid header and is removed', { segment: path })
  fs.unlinkSync(path)
  return undefined
}

function scan({ log }: RecoverOptions, path: string, fd: number, size: number): Footer {
  const found = scanSegment(fd, size)
  if (found.offset < size) {
    log.info('what follows the last complete record of a segment is cut off', {
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
  for (const { digest, offset, length, reuse } of found.values)
    index.set(digest, { segment: segment.number, offset, length }, 0, reuse)
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
