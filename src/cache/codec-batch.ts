import { digestsPerCallMax } from '../core/limits.ts'
import { digestLength, fieldLength, putDigest, putVarint } from '../wire/emit.ts'
import { type RawDigest, readDigest } from './codec-find.ts'
import { type Cursor, cursorOf, readBytes, readLength, readTag, readText, readVarint, skipField } from './cursor.ts'

/** One blob of a BatchUpdateBlobsRequest. */
export interface BatchUpdate {
  digest: RawDigest | undefined
  /** A view of the request. */
  data: Buffer
  /** Compressor.Value, as sent. */
  compressor: number
}

/** BatchUpdateBlobsRequest. */
interface BatchUpdateRequest {
  instanceName: string
  updates: BatchUpdate[]
  /** DigestFunction.Value, as sent. */
  digestFunction: number
}

const noBytes = Buffer.alloc(0)

/** For decodeMessage. It stops to collect at the first blob too many: the handler sees that there is one. */
export const batchUpdateRequest = { name: 'BatchUpdateBlobsRequest', decode: decodeBatchUpdateRequest }

function decodeBatchUpdateRequest(bytes: Buffer): BatchUpdateRequest {
  const request: BatchUpdateRequest = { instanceName: '', updates: [], digestFunction: 0 }
  const cursor = cursorOf(bytes)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x12 && request.updates.length <= digestsPerCallMax) request.updates.push(readUpdate(cursor))
    else if (tag === 0x0a) request.instanceName = readText(cursor)
    else if (tag === 0x28) request.digestFunction = readVarint(cursor) | 0
    else skipField(cursor, tag)
  }
  return request
}

function readUpdate(cursor: Cursor): BatchUpdate {
  const update: BatchUpdate = { digest: undefined, data: noBytes, compressor: 0 }
  const outerEnd = cursor.end
  cursor.end = readLength(cursor) + cursor.at
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x0a) update.digest = readDigest(cursor, update.digest)
    else if (tag === 0x12) update.data = readBytes(cursor)
    else if (tag === 0x18) update.compressor = readVarint(cursor) | 0
    else skipField(cursor, tag)
  }
  cursor.end = outerEnd
  return update
}

/** What became of one blob of a batch. */
export interface BatchAnswer {
  readonly digest: { readonly hash: string; readonly size: number }
  /** Of a batch read: the blob, as its compressor gives it. */
  readonly data?: Uint8Array
  /** Compressor.Value. */
  readonly compressor?: number
  /** A serialised google.rpc.Status; absent for OK. */
  readonly status?: Uint8Array
}

/** BatchUpdateBlobsResponse. The status is always there: some clients look into it unasked. */
export function encodeBatchUpdateResponse(answers: readonly BatchAnswer[]): Buffer {
  return encodeAnswers(answers, updateLength, putUpdate)
}

/** BatchReadBlobsResponse; each blob is copied once. */
export function encodeBatchReadResponse(answers: readonly BatchAnswer[]): Buffer {
  return encodeAnswers(answers, readLengthOf, putRead)
}

function encodeAnswers(
  answers: readonly BatchAnswer[],
  lengthOf: (answer: BatchAnswer) => number,
  put: (into: Buffer, at: number, answer: BatchAnswer) => number,
): Buffer {
  let total = 0
  for (const answer of answers) total += fieldLength(lengthOf(answer))
  const message = Buffer.allocUnsafe(total)
  let at = 0
  for (const answer of answers) {
    message[at] = 0x0a
    at = put(message, putVarint(message, at + 1, lengthOf(answer)), answer)
  }
  return message
}

function updateLength({ digest, status }: BatchAnswer): number {
  return fieldLength(digestLength(digest)) + fieldLength(status?.length ?? 0)
}

function putUpdate(into: Buffer, at: number, { digest, status }: BatchAnswer): number {
  return putBytes(into, putDigest(into, at, 0x0a, digest), 0x12, status ?? noBytes)
}

function readLengthOf({ digest, data, status, compressor }: BatchAnswer): number {
  const length = fieldLength(digestLength(digest)) + fieldLength(status?.length ?? 0)
  return length + (data?.length ? fieldLength(data.length) : 0) + (compressor ? 2 : 0)
}

function putRead(into: Buffer, start: number, { digest, data, status, compressor }: BatchAnswer): number {
  let at = putDigest(into, start, 0x0a, digest)
  if (data?.length) at = putBytes(into, at, 0x12, data)
  at = putBytes(into, at, 0x1a, status ?? noBytes)
  if (!compressor) return at
  into[at] = 0x20
  return putVarint(into, at + 1, compressor)
}

function putBytes(into: Buffer, at: number, tag: number, bytes: Uint8Array): number {
  into[at] = tag
  const start = putVarint(into, at + 1, bytes.length)
  into.set(bytes, start)
  return start + bytes.length
}
