import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Digest } from '../../core/digest.ts'
import { messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { IndexEntry } from './digest-index.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { encodeHeader, type RecordKind } from './record.ts'
import type { Segment } from './segment.ts'
import { inlineBytesMax, type Transfer } from './transfer.ts'

/** A record on its way to disk. */
export interface Append {
  readonly kind: RecordKind
  readonly digest: Digest
  /** The value; or, for one that is carried over, the whole record as it was. */
  readonly parts: readonly Uint8Array[]
  /** Where a record that is carried over lay. */
  readonly from?: IndexEntry
  /** Of the whole record. */
  readonly bytes: number
  /** Bytes of the value. */
  readonly length: number
}

/** Gathers the records of a tick and writes them together. */
export interface Appender {
  /**
   * Settles when the record is written, and synced where durability asks for it.
   * @throws Failure when the disk refuses; the record's bytes are then the caller's to release
   */
  append(record: Append): Promise<void>
  /** Runs a task when what was given before is written and nothing is being written. */
  between(task: () => void | Promise<void>): Promise<void>
  /** Is nothing on its way? */
  readonly idle: boolean
  /** Settles when all that was given is on disk or has failed. */
  flushed(): Promise<void>
}

export interface AppenderOptions {
  readonly transfer: Transfer
  readonly durability: Durability
  /** Records of one write; a longer record is written by itself. */
  readonly groupBytesMax: number
  readonly log: Log
  /** The segment that has room for a group. */
  segmentFor(bytes: number, records: number): Segment | Promise<Segment>
  /** A record is on disk: only now may it be found. */
  written(record: Append, segment: Segment, offset: number): void
}

interface Group {
  readonly records: Append[]
  bytes: number
  /** In place of records. */
  readonly task?: () => void | Promise<void>
  readonly settled: Promise<void>
  resolve(): void
  reject(reason: unknown): void
}

const groupRecordsMax = 1024
/** Parts up to this are copied beside their headers: cheaper than a vector's entry of their own. */
const copiedBytesMax = 64 * 1024
const headersBytes = 4096
const syncData = promisify(fs.fdatasync)

export function createAppender(options: AppenderOptions): Appender {
  const { transfer, durability, log } = options
  const groupBytesMax = Math.min(inlineBytesMax, options.groupBytesMax)
  const staging = Buffer.allocUnsafeSlow(inlineBytesMax + headersBytes)
  const groups: Group[] = []
  let flushing: Promise<void> | undefined
  let scheduled = false

  function schedule(): void {
    if (scheduled || flushing) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      flushing = flush().finally(() => {
        flushing = undefined
        // Who waited for the last group may have given another before this was known.
        if (groups.length > 0) schedule()
      })
    })
  }

  async function flush(): Promise<void> {
    for (let group = groups.shift(); group; group = groups.shift()) {
      try {
        if (group.task) await group.task()
        else await writeGroup(group)
        group.resolve()
      } catch (error) {
        group.reject(error)
      }
    }
  }

  async function writeGroup({ records, bytes }: Group): Promise<void> {
    const found = options.segmentFor(bytes, records.length)
    const segment = found instanceof Promise ? await found : found
    const offset = segment.bytes
    try {
      const writing = transfer.write(segment.fd, gather(records, staging), offset)
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

  /** Part of a group may be on disk: the next one would be written over it, but a crash may come first. */
  function cutOff(segment: Segment): void {
    try {
      fs.ftruncateSync(segment.fd, segment.bytes)
    } catch (error) {
      log.warn('cannot cut off a failed write', { segment: segment.path, reason: messageOf(error) })
    }
  }

  function takes(group: Group, record: Append): boolean {
    return !group.task && group.bytes + record.bytes <= groupBytesMax && group.records.length < groupRecordsMax
  }

  function begin(task?: () => void | Promise<void>): Group {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const group: Group = { records: [], bytes: 0, settled: promise, resolve, reject, ...(task && { task }) }
    groups.push(group)
    return group
  }

  return {
    append(record) {
      const last = groups.at(-1)
      const group = last && takes(last, record) ? last : begin()
      group.records.push(record)
      group.bytes += record.bytes
      schedule()
      return group.settled
    },
    between(task) {
      const { settled } = begin(task)
      schedule()
      return settled
    },
    get idle() {
      return groups.length === 0 && !flushing
    },
    async flushed() {
      while (groups.length > 0 || flushing) await (flushing ?? groups.at(-1)?.settled.catch(() => undefined))
    },
  }
}

/** The bytes of these records in order: headers and small values in one buffer, large values as they are. */
function gather(records: readonly Append[], staging: Buffer): Uint8Array[] {
  const vector: Uint8Array[] = []
  let start = 0
  let at = 0
  for (const { kind, digest, parts, from } of records) {
    if (!from) at = encodeHeader(staging, at, kind, digest, parts)
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
