import fs from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Digest } from '../../core/digest.ts'
import { formatVersion } from './format.ts'

/** A file to which records are appended, and which is evicted as a whole. */
export interface Segment {
  /** From 1; a later segment has the greater number. */
  readonly number: number
  readonly path: string
  readonly fd: number
  /** Length so far: the header and all records. */
  bytes: number
  /** Its part of the ledger (space.ts): its length, and the footer that it will get. */
  bytesCounted: number
  /** Records so far. */
  records: number
  /** Age by what was written (age.ts) at which it began. */
  bornAt: number
  /** When it began, in milliseconds since 1970; of one that was found at start, when it was last written to. */
  readonly writtenMs: number
  /** What was deleted while it was the newest: its footer says so of earlier segments. */
  readonly deletions: Digest[]
  /** Reads in flight; its file stays open for them after it is evicted. */
  readers: number
  evicted: boolean
  /** Settles when its footer has been written, or has failed to be. */
  sealing: Promise<void> | undefined
}

/** magic, version, number, CRC-32 of these; little-endian u32 each. */
export const segmentHeaderBytes = 16
const magic = 0x3153426e // 'nBS1'
const checksumAt = 12
const namePattern = /^(\d{10})\.segment$/

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(10, '0')}.segment`)
}

/** A segment's number is a u32. */
const numberMax = 0xffff_ffff

/** The number in a segment's file name; undefined for every other name. */
export function segmentNumber(name: string): number | undefined {
  const number = Number(namePattern.exec(name)?.[1] ?? 0)
  return number > 0 && number <= numberMax ? number : undefined
}

/** Begins a segment's file; the number must be new. @param writtenMs now, in milliseconds since 1970 */
export function createSegment(folder: string, number: number, age: number, writtenMs: number): Segment {
  const path = segmentPath(folder, number)
  const fd = fs.openSync(path, 'wx+', 0o644)
  try {
    fs.writeSync(fd, encodeSegmentHeader(number), 0, segmentHeaderBytes, 0)
  } catch (error) {
    fs.closeSync(fd)
    fs.unlinkSync(path)
    throw error
  }
  return segmentOf({ number, path, fd, bytes: segmentHeaderBytes, records: 0, age, writtenMs })
}

export interface SegmentFile {
  readonly number: number
  readonly path: string
  readonly fd: number
  readonly bytes: number
  readonly records: number
  readonly age: number
  readonly writtenMs: number
}

export function segmentOf({ number, path, fd, bytes, records, age, writtenMs }: SegmentFile): Segment {
  return {
    number,
    path,
    fd,
    bytes,
    bytesCounted: 0,
    records,
    bornAt: age,
    writtenMs,
    deletions: [],
    readers: 0,
    evicted: false,
    sealing: undefined,
  }
}

function encodeSegmentHeader(number: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(formatVersion, 4)
  header.writeUInt32LE(number, 8)
  header.writeUInt32LE(crc32(header.subarray(0, checksumAt)), checksumAt)
  return header
}

/** The version that wrote the segment, or undefined when its header is torn, damaged, or that of another number. */
export function segmentVersion(header: Buffer, number: number): number | undefined {
  if (header.length < segmentHeaderBytes || header.readUInt32LE(0) !== magic) return undefined
  if (header.readUInt32LE(checksumAt) !== crc32(header.subarray(0, checksumAt))) return undefined
  return header.readUInt32LE(8) === number ? header.readUInt32LE(4) : undefined
}
