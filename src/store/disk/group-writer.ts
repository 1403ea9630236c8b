import fs from 'node:fs'
import { promisify } from 'node:util'
import { messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Append } from './append.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { type FileIo, inlineBytesMax } from './file-io.ts'
import { encodeHeader } from './record.ts'
import type { Segment } from './segment.ts'

export interface GroupWriterOptions {
  readonly io: FileIo
  readonly durability: Durability
  readonly log: Log
  /** The segment that has room for a group; records that are carried over never share one with others. */
  segmentFor(bytes: number, records: readonly Append[]): Segment | Promise<Segment>
  /** Is a record that is carried over still the one that its digest means? Asked when all before it are written. */
  isCurrent(record: Append): boolean
  /** A record is on disk: only now may it be found. */
  written(record: Append, segment: Segment, offset: number): void
}

/** Parts up to this are copied beside their headers: cheaper than a vector's entry of their own. */
const copiedBytesMax = 64 * 1024
const headersBytes = 4096
const syncData = promisify(fs.fdatasync)

/**
 * Writes groups of records, one after the other, each with one write: either all of them are new, or all carried over.
 * @returns settles when a group is on disk; fails with a Failure when the disk refuses
 */
export function createGroupWriter(options: GroupWriterOptions): (group: readonly Append[]) => Promise<void> {
  const { io, durability, log } = options
  const staging = Buffer.allocUnsafeSlow(inlineBytesMax + headersBytes)

  /** Part of a group may be on disk: the next one would be written over it, but a crash may come first. */
  function cutOff(segment: Segment): void {
    try {
      fs.ftruncateSync(segment.fd, segment.bytes)
    } catch (error) {
      log.warn('cannot cut off a failed write', { segment: segment.path, reason: messageOf(error) })
    }
  }

  return async (group) => {
    const records = group[0]?.from ? group.filter(options.isCurrent) : group
    if (records.length === 0) return
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0)
    const found = options.segmentFor(bytes, records)
    const segment = found instanceof Promise ? await found : found
    const offset = segment.bytes
    try {
      const writing = io.write(segment.fd, gather(records, staging), offset)
      if (writing) await writing
      if (durability === 'power') await syncData(segment.fd)
    } catch (error) {
      cutOff(segment)
      throw diskFailure(error, 'writing to the store', segment.path)
    }
    segment.bytes += bytes
    segment.records += records.length
    let at = offset
    for (const record of records) {
      options.written(record, segment, at)
      at += record.bytes
    }
  }
}

/** The bytes of these records in order: headers and small values in one buffer, large values as they are. */
function gather(records: readonly Append[], staging: Buffer): Uint8Array[] {
  const vector: Uint8Array[] = []
  let start = 0
  let at = 0
  for (const { kind, digest, parts, from, reuse } of records) {
    if (!from || kind === 'deletion') at = encodeHeader(staging, at, kind, digest, parts, reuse)
    for (const part of parts) {
      if (part.byteLength <= copiedBytesMax && at + part.byteLength <= inlineBytesMax) {
        staging.set(part, at)
        at += part.byteLength
        continue
      }
      if (at > start) vector.push(staging.subarray(start, at))
      vector.push(part)
      start = at
    }
  }
  if (at > start) vector.push(staging.subarray(start, at))
  return vector
}
