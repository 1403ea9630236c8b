import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { parseHostPort } from '../../src/core/address.ts'
import type { Digest } from '../../src/core/digest.ts'
import { bytestream, re } from '../../src/wire/proto.ts'
import { blobName, uploadName, wire } from '../cache/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { data, headers, openPeer, requestFields } from '../wire/http2/peer.ts'
import { frame, grpcHeaders, rawSession } from '../wire/raw-client.ts'

/** One attack: it lasts until its time is over or it is told to stop, and closes what it opened. */
export type Attack = (address: string, stop: AbortSignal) => Promise<void>

const megabyte = 1024 * 1024

const waited = (ms: number, stop: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    stop.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** Uploads that announce much, send little and stay open. */
const announcedUploads: Attack = async (address, stop) => {
  const session = await rawSession(address)
  for (let at = 0; at < 30; at += 1) {
    const digest: Digest = { ...blobOf(randomBytes(32)).digest, size: 88_000_000 }
    const first = { resourceName: uploadName(digest), writeOffset: 0, data: randomBytes(10) }
    request(session, 'google.bytestream.ByteStream/Write').write(frame(bytestream.WriteRequest.encode(first).finish()))
  }
  await waited(15_000, stop)
  session.destroy()
}

/** Reads and batches whose answers are asked for and never taken. */
const answersNotTaken: Attack = async (address, stop) => {
  const session = await rawSession(address)
  const blobs = Array.from({ length: 3 }, () => blobOf(randomBytes(megabyte)))
  for (const { digest, bytes } of blobs) {
    const whole = { resourceName: uploadName(digest), data: bytes, finishWrite: true }
    const stream = request(session, 'google.bytestream.ByteStream/Write')
    stream.end(frame(bytestream.WriteRequest.encode(whole).finish()))
    stream.resume()
    await once(stream, 'close')
  }
  const batch = re.BatchReadBlobsRequest.encode({ digests: blobs.map(({ digest }) => wire(digest)) }).finish()
  for (let at = 0; at < 60; at += 1) {
    request(session, 'build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs').end(frame(batch))
    for (const { digest } of blobs) {
      const read = bytestream.ReadRequest.encode({ resourceName: blobName(digest) }).finish()
      request(session, 'google.bytestream.ByteStream/Read').end(frame(read))
    }
  }
  await waited(20_000, stop)
  session.destroy()
}

/** Messages that never become whole. */
const incompleteMessages: Attack = async (address, stop) => {
  const session = await rawSession(address)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(4 * megabyte, 1)
  for (let at = 0; at < 20; at += 1) {
    const stream = request(session, 'build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs')
    stream.write(Buffer.concat([head, Buffer.alloc(megabyte)]))
  }
  await waited(15_000, stop)
  session.destroy()
}

/** Streams that are opened and reset at once, on fresh connections. */
const rapidReset: Attack = async (address, stop) => {
  for (let round = 0; round < 5 && !stop.aborted; round += 1) {
    const session = await rawSession(address)
    for (let at = 0; at < 2_000 && !session.closed; at += 1)
      request(session, 'build.bazel.remote.execution.v2.Capabilities/GetCapabilities').close(8)
    await waited(200, stop)
    session.destroy()
  }
}

const capabilities = '/build.bazel.remote.execution.v2.Capabilities/GetCapabilities'

/** Small calls by the thousand, all at once. */
const flood: Attack = async (address, stop) => {
  const { socket, send } = await openPeer(address)
  const fields = requestFields.map(([name, value]) => [name, name === ':path' ? capabilities : value] as const)
  const empty = frame(new Uint8Array())
  for (let id = 1; id < 40_000 && !stop.aborted; ) {
    const calls: Buffer[] = []
    for (const end = id + 10_000; id < end; id += 2) calls.push(headers(id, fields), data(id, empty, true))
    send(...calls)
    await waited(500, stop)
  }
  socket.destroy()
}

/** Requests of HTTP/1.1 that are malformed, torn, or never end, each on a connection of its own. */
const badRequests: Attack = async (address, stop) => {
  const kinds = [
    'NONSENSE\r\n\r\n',
    'PUT /cas/x HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc',
    'GET / HTTP/1.1\r\nho',
  ]
  const sockets = await Promise.all(Array.from({ length: 60 }, () => opened(address)))
  for (const [at, socket] of sockets.entries()) socket.write(kinds[at % kinds.length] ?? '')
  await waited(2_000, stop)
  for (const socket of sockets) socket.destroy()
}

/** Bytes that mean nothing, and prefaces that never end. */
const noise: Attack = async (address, stop) => {
  const sockets = await Promise.all(Array.from({ length: 40 }, () => opened(address)))
  for (const [at, socket] of sockets.entries()) socket.write(at % 2 === 0 ? randomBytes(10_000) : 'PRI * HT')
  await waited(5_000, stop)
  for (const socket of sockets) socket.destroy()
}

/** Fresh blobs without end, of which nobody needs any: what is in use has to stay. */
const junk: Attack = async (address, stop) => {
  const session = await rawSession(address)
  for (let at = 0; at < 60 && !stop.aborted && !session.closed; at += 1) {
    const { digest, bytes } = blobOf(randomBytes(megabyte))
    const stream = request(session, 'google.bytestream.ByteStream/Write')
    stream.end(
      frame(
        bytestream.WriteRequest.encode({ resourceName: uploadName(digest), data: bytes, finishWrite: true }).finish(),
      ),
    )
    stream.resume()
    await once(stream, 'close')
    await waited(100, stop)
  }
  session.destroy()
}

/** Malformed requests of every method that is known, on one connection. */
const malformed: Attack = async (address, stop) => {
  const session = await rawSession(address)
  for (let at = 0; at < 200 && !stop.aborted && !session.closed; at += 1) {
    const stream = request(session, methods[at % methods.length] ?? '')
    stream.end(frame(randomBytes(at)))
    stream.resume()
    await once(stream, 'close')
  }
  session.destroy()
}

const methods = [
  'build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs',
  'build.bazel.remote.execution.v2.ContentAddressableStorage/GetTree',
  'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult',
  'google.bytestream.ByteStream/Read',
  'native.worker.v1.Workers/Work',
  `no.Such/${randomUUID()}`,
]

export const wireAttacks: Readonly<Record<string, Attack>> = {
  announcedUploads,
  answersNotTaken,
  incompleteMessages,
  rapidReset,
  flood,
  badRequests,
  noise,
  junk,
  malformed,
}

function request(session: ClientHttp2Session, method: string) {
  const stream = session.request({ ...grpcHeaders, ':path': `/${method}` })
  // Being refused or cut off is what an attacker has to expect.
  stream.on('error', () => undefined)
  return stream
}

async function opened(address: string): Promise<Socket> {
  const { host, port } = parseHostPort(address)
  const socket = connect(port, host)
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  return socket
}
