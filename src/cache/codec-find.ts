import { type Digest, isHex } from '../core/digest.ts'
import { digestsPerCallMax } from '../core/limits.ts'
import { digestLength, fieldLength, putDigest } from '../wire/emit.ts'
import { type Cursor, cursorOf, readLength, readTag, readText, readVarint, skipField } from './cursor.ts'

/** A digest as it came; core/digest.ts checks it. */
export interface RawDigest {
  hash: string
  sizeBytes: number
  /** Whether the hash is hexadecimal: on the bytes that is quickly seen. */
  hex: boolean
}

/** FindMissingBlobsRequest. */
interface FindMissingRequest {
  instanceName: string
  digests: RawDigest[]
  /** DigestFunction.Value, as sent. */
  digestFunction: number
}

/** For decodeMessage. It stops to collect at the first digest too many: the handler sees that there is one. */
export const findMissingRequest = { name: 'FindMissingBlobsRequest', decode: decodeFindMissingRequest }

function decodeFindMissingRequest(bytes: Buffer): FindMissingRequest {
  const request: FindMissingRequest = { instanceName: '', digests: [], digestFunction: 0 }
  const cursor = cursorOf(bytes)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x12 && request.digests.length <= digestsPerCallMax) request.digests.push(readDigest(cursor))
    else if (tag === 0x0a) request.instanceName = readText(cursor)
    else if (tag === 0x18) request.digestFunction = readVarint(cursor) | 0
    else skipField(cursor, tag)
  }
  return request
}

/**
 * A nested Digest message, read into `digest`. Its hash is read as Latin-1, which is faster
 * and changes nothing: whatever is not hexadecimal is refused by the check that follows.
 */
export function readDigest(cursor: Cursor, digest: RawDigest = { hash: '', sizeBytes: 0, hex: true }): RawDigest {
  const outerEnd = cursor.end
  cursor.end = readLength(cursor) + cursor.at
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x0a) {
      const length = readLength(cursor)
      const start = cursor.at
      cursor.at += length
      digest.hex = isHex(cursor.bytes, start, cursor.at)
      digest.hash = cursor.bytes.toString('latin1', start, cursor.at)
    } else if (tag === 0x10) digest.sizeBytes = readVarint(cursor)
    else skipField(cursor, tag)
  }
  cursor.end = outerEnd
  return digest
}

/** FindMissingBlobsResponse. */
export function encodeFindMissingResponse(missing: readonly Digest[]): Buffer {
  let length = 0
  for (const digest of missing) length += fieldLength(digestLength(digest))
  const message = Buffer.allocUnsafe(length)
  let at = 0
  for (const digest of missing) at = putDigest(message, at, 0x12, digest)
  return message
}
