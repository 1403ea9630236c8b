import { hash, randomBytes } from 'node:crypto'
import { bytestream, longrunning, re } from '../../../src/wire/proto.ts'
import { writeName } from '../../../src/wire/resource.ts'
import type { Call, Ended } from './connection.ts'
import type { Work } from './job.ts'

const cas = '/build.bazel.remote.execution.v2.ContentAddressableStorage'
/** What usual clients put into one message of a byte stream. */
const streamMessageBytes = 64 * 1024
/** What all blobs of this process differ by from those of another. */
const salt = randomBytes(8)
let blobsMade = 0
/** All blobs are the beginning of this, but for their first bytes. */
let noise = Buffer.alloc(0)

/** The calls of a job, and how many bytes of blobs each carries. */
export function callsOf(work: Work): { calls: Call[]; blobBytes: number[] } {
  if (work.kind === 'writes') return { calls: work.sizes.map(writeCall), blobBytes: [...work.sizes] }
  if (work.kind === 'updates') {
    const calls = Array.from({ length: work.calls }, () => updateCall(work.blobs, work.size))
    return { calls, blobBytes: calls.map(() => work.blobs * work.size) }
  }
  const calls = work.bodies.map((body) => callOf(`/${work.method}`, [[Buffer.from(body)]]))
  return { calls, blobBytes: calls.map(() => 0) }
}

/** What is wrong with the answer of an action's execution; undefined when it was done and well. */
export function executionFault({ answer }: Ended): string | undefined {
  const bytes = Buffer.concat(answer)
  let last = Buffer.alloc(0)
  for (let at = 0; at + 5 <= bytes.length; at += 5 + last.length)
    last = bytes.subarray(at + 5, at + 5 + bytes.readUInt32BE(at + 1))
  const operation = longrunning.Operation.decode(last)
  if (!operation.done || !operation.response?.value) return 'no response'
  const { result, status, cachedResult } = re.ExecuteResponse.decode(operation.response.value)
  if (status?.code) return `action status ${status.code}`
  if (cachedResult) return 'not executed'
  return result?.exitCode === 0 ? undefined : `exit code ${result?.exitCode}`
}

/** A blob that no server has: pieces of it, and its digest. */
function freshBlob(size: number): { head: Buffer; tail: Buffer; hash: string } {
  const head = Buffer.alloc(Math.min(size, 16))
  blobsMade += 1
  if (size >= 16) {
    head.set(salt)
    head.writeDoubleBE(blobsMade, 8)
  } else randomBytes(size).copy(head)
  if (noise.length < size) noise = randomBytes(Math.max(size, 1024 * 1024))
  const tail = noise.subarray(head.length, size)
  // Copied together it is hashed in one call, which is the quickest.
  return { head, tail, hash: hash('sha256', Buffer.concat([head, tail]), 'hex') }
}

function writeCall(size: number): Call {
  const blob = freshBlob(size)
  const digest = { fn: 'sha256', hash: blob.hash, size } as const
  const resourceName = writeName({ instance: '', uuid: `bench-${blobsMade}`, compressor: 'identity', digest })
  const messages: Buffer[][] = []
  for (let at = 0; at < size || at === 0; at += streamMessageBytes) {
    const end = Math.min(at + streamMessageBytes, size)
    const data =
      at === 0
        ? [blob.head, blob.tail.subarray(0, end - blob.head.length)]
        : [blob.tail.subarray(at - blob.head.length, end - blob.head.length)]
    messages.push([writeHead(at === 0 ? { resourceName } : {}, at, end, size), ...data])
  }
  return callOf('/google.bytestream.ByteStream/Write', messages)
}

/** A WriteRequest up to the bytes of its data. */
function writeHead(name: { resourceName?: string }, at: number, end: number, size: number): Buffer {
  const fields = bytestream.WriteRequest.encode({ ...name, writeOffset: at, finishWrite: end === size }).finish()
  return Buffer.concat([fields, Buffer.from([(10 << 3) | 2]), varint(end - at)])
}

function updateCall(blobs: number, size: number): Call {
  const requests = Array.from({ length: blobs }, () => {
    const { head, tail, hash } = freshBlob(size)
    return { digest: { hash, sizeBytes: size }, data: Buffer.concat([head, tail]) }
  })
  const message = Buffer.from(re.BatchUpdateBlobsRequest.encode({ requests }).finish())
  return callOf(`${cas}/BatchUpdateBlobs`, [[message]])
}

/** Puts gRPC's prefix before each message; small pieces are put together. */
function callOf(path: string, messages: readonly (readonly Buffer[])[]): Call {
  const body: Buffer[] = []
  for (const message of messages) {
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(length(message), 1)
    const small = length(message) <= streamMessageBytes / 4
    if (small) body.push(Buffer.concat([prefix, ...message]))
    else body.push(prefix, ...message)
  }
  return { path, body, bytes: length(body) }
}

function length(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, each) => sum + each.length, 0)
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}
