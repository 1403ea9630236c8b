import { digestsPerCallMax } from '../core/limits.ts'
import { type RawDigest, readDigest } from './codec-find.ts'
import { type Cursor, cursorOf, readLength, readTag, readText, readVarint, skipField } from './cursor.ts'

/** BatchReadBlobsRequest. */
interface BatchReadRequest {
  instanceName: string
  digests: RawDigest[]
  /** Compressor.Value of each that the client takes, as sent. */
  compressors: number[]
  /** DigestFunction.Value, as sent. */
  digestFunction: number
}

/** What a request asks for in all; sizes as they are named, checked or not. */
interface BatchReadOutline {
  digests: number
  blobBytes: number
}

/** For decodeMessage. It stops to collect at the first digest too many: the handler sees that there is one. */
export const batchReadRequest = { name: 'BatchReadBlobsRequest', decode: decodeBatchReadRequest }
/** For decodeMessage: how much memory the request will need, found without taking any. */
export const batchReadOutline = { name: 'BatchReadBlobsRequest', decode: decodeOutline }

/** Kinds of compressors that are read of a request; there are four. */
const compressorsMax = 64

function decodeBatchReadRequest(bytes: Buffer): BatchReadRequest {
  const request: BatchReadRequest = { instanceName: '', digests: [], compressors: [], digestFunction: 0 }
  const cursor = cursorOf(bytes)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x12 && request.digests.length <= digestsPerCallMax) request.digests.push(readDigest(cursor))
    else if (tag === 0x0a) request.instanceName = readText(cursor)
    else if (tag === 0x1a) readPacked(cursor, request.compressors)
    else if (tag === 0x18) keep(request.compressors, readVarint(cursor))
    else if (tag === 0x20) request.digestFunction = readVarint(cursor) | 0
    else skipField(cursor, tag)
  }
  return request
}

function readPacked(cursor: Cursor, values: number[]): void {
  const outerEnd = cursor.end
  cursor.end = readLength(cursor) + cursor.at
  while (cursor.at < cursor.end) keep(values, readVarint(cursor))
  cursor.end = outerEnd
}

function keep(values: number[], value: number): void {
  if (values.length < compressorsMax) values.push(value | 0)
}

function decodeOutline(bytes: Buffer): BatchReadOutline {
  const outline: BatchReadOutline = { digests: 0, blobBytes: 0 }
  const cursor = cursorOf(bytes)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag !== 0x12) {
      skipField(cursor, tag)
      continue
    }
    outline.digests += 1
    outline.blobBytes += readSize(cursor)
  }
  return outline
}

function readSize(cursor: Cursor): number {
  const outerEnd = cursor.end
  cursor.end = readLength(cursor) + cursor.at
  let size = 0
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x10) size = Math.max(readVarint(cursor), 0)
    else skipField(cursor, tag)
  }
  cursor.end = outerEnd
  return size
}
