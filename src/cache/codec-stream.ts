import { putVarint, varintLength } from '../wire/emit.ts'
import { type Cursor, cursorOf, readBytes, readTag, readText, readVarint, skipField } from './cursor.ts'

/** google.bytestream.WriteRequest, one for each piece of an upload. */
export interface WriteRequest {
  resourceName: string
  /** As sent: may be negative or beyond 2^53. */
  writeOffset: number
  finishWrite: boolean
  /** A view of the message that it came in. */
  data: Buffer
}

const noBytes = Buffer.alloc(0)

/** For decodeMessage. */
export const writeRequest = { name: 'WriteRequest', decode: decodeWriteRequest }

function decodeWriteRequest(bytes: Buffer): WriteRequest {
  const request: WriteRequest = { resourceName: '', writeOffset: 0, finishWrite: false, data: noBytes }
  const cursor = cursorOf(bytes)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x0a) request.resourceName = readText(cursor)
    else if (tag === 0x10) request.writeOffset = readVarint(cursor)
    else if (tag === 0x18) request.finishWrite = readVarint(cursor) !== 0
    else if (tag === 0x52) request.data = readBytes(cursor)
    else skipField(cursor, tag)
  }
  return request
}

/** google.bytestream.ReadRequest. */
interface ReadRequest {
  resourceName: string
  readOffset: number
  readLimit: number
}

/** For decodeMessage. */
export const readRequest = { name: 'ReadRequest', decode: decodeReadRequest }

function decodeReadRequest(bytes: Buffer): ReadRequest {
  const request: ReadRequest = { resourceName: '', readOffset: 0, readLimit: 0 }
  const cursor: Cursor = cursorOf(bytes)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x0a) request.resourceName = readText(cursor)
    else if (tag === 0x10) request.readOffset = readVarint(cursor)
    else if (tag === 0x18) request.readLimit = readVarint(cursor)
    else skipField(cursor, tag)
  }
  return request
}

/** What stands before the data in a google.bytestream.ReadResponse; the data is the rest of it. */
export function encodeReadHead(dataBytes: number): Buffer {
  if (dataBytes === 0) return noBytes
  const head = Buffer.allocUnsafe(1 + varintLength(dataBytes))
  head[0] = 0x52
  putVarint(head, 1, dataBytes)
  return head
}

const committedNothing = noBytes
const committedEarly = Buffer.from('08ffffffffffffffffff01', 'hex')

/** google.bytestream.WriteResponse; -1 is the early end of a compressed upload. */
export function encodeWriteResponse(committedSize: number): Buffer {
  if (committedSize === -1) return committedEarly
  if (committedSize === 0) return committedNothing
  const message = Buffer.allocUnsafe(10)
  message[0] = 0x08
  return message.subarray(0, putVarint(message, 1, committedSize))
}
