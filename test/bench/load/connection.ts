import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { BlockReader, type HeaderBlock } from '../../../src/wire/http2/block.ts'
import { HpackDecoder } from '../../../src/wire/http2/hpack.ts'
import { FrameParser } from '../../../src/wire/http2/parser.ts'
import { Flag, FrameType, preface, Setting, windowBytesDefault } from '../../../src/wire/http2/protocol.ts'
import { createHeaderWriter } from './headers.ts'
import { createOutput, type Output } from './output.ts'

/** What a call sends: its gRPC messages with their prefixes, in pieces. */
export interface Call {
  /** `/package.Service/Method` */
  readonly path: string
  readonly body: readonly Buffer[]
  /** All of the pieces together. */
  readonly bytes: number
}

/** What became of a call. */
export interface Ended {
  /** The gRPC status; -1 when the call ended without one. */
  readonly status: number
  /** What the server says of it. */
  readonly message: string
  /** The answer's bytes, with their prefixes. */
  readonly bytes: number
  /** The answer itself, where it was asked for. */
  readonly answer: readonly Buffer[]
}

export interface Connection {
  /** Begins a call; `done` hears once how it ended. Nothing is sent before `flush`. */
  call(call: Call, keepAnswer: boolean, done: (ended: Ended) => void): void
  flush(): void
  close(): void
}

interface Stream {
  readonly id: number
  readonly body: readonly Buffer[]
  readonly done: (ended: Ended) => void
  readonly answer: Buffer[] | undefined
  /** The piece of the body, and the byte in it, that is sent next. */
  piece: number
  at: number
  left: number
  window: number
  status: number
  message: string
  received: number
  /** Received and not yet given back to the server's window. */
  owed: number
}

/** As usual clients offer: enough that a read does not wait for updates of windows. */
const streamWindowBytes = 4 * 1024 * 1024
const connectionWindowBytes = 16 * 1024 * 1024
const frameBytesMax = 16_384
const hpackTableBytes = 4096
const headerListBytesMax = 64 * 1024

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}

/**
 * One HTTP/2 connection with prior knowledge to the server at `host:port`. Does what a load
 * generator needs of RFC 9113: flow control both ways, settings, pings. A breach of the protocol
 * or a broken connection ends in `broken`, and then no call ends any more.
 */
export async function openConnection(address: string, broken: (error: Error) => void): Promise<Connection> {
  const reading = Buffer.allocUnsafeSlow(256 * 1024)
  const started = Promise.withResolvers<void>()
  let session: Session | undefined
  const fail = (error: Error) => {
    started.reject(error)
    broken(error)
    socket.destroy()
  }
  const socket = connect({
    ...hostAndPort(address),
    noDelay: true,
    onread: {
      buffer: reading,
      callback(count) {
        try {
          session?.receive(reading.subarray(0, count))
        } catch (error) {
          fail(error as Error)
        }
        return true
      },
    },
  })
  await once(socket, 'connect')
  let closing = false
  socket.on('error', fail)
  socket.on('close', () => closing || fail(new Error(`the server at ${address} closed the connection`)))
  session = new Session(socket, started.resolve)
  await started.promise
  const { output } = session
  const opened = session
  return {
    call: (call, keepAnswer, done) => opened.call(call, keepAnswer, done),
    flush: () => output.flush(),
    close() {
      closing = true
      socket.destroy()
    },
  }
}

class Session {
  readonly output: Output
  readonly #started: () => void
  readonly #headers = createHeaderWriter()
  readonly #decoder = new HpackDecoder(headerListBytesMax)
  readonly #blocks = new BlockReader()
  readonly #parser: FrameParser
  readonly #streams = new Map<number, Stream>()
  /** Those that wait for room in a window. */
  readonly #blocked = new Set<Stream>()
  #nextId = 1
  #window = windowBytesDefault
  #streamWindow = windowBytesDefault
  #owed = 0
  #dataId = 0

  constructor(socket: Socket, started: () => void) {
    this.output = createOutput(socket)
    this.#started = started
    this.#parser = new FrameParser({
      begins: () => undefined,
      dataBegins: (id, bytes) => this.#dataBegins(id, bytes),
      data: (chunk, start, end) => this.#data(chunk, start, end),
      dataEnds: (endStream) => endStream && this.#end(this.#dataId),
      frame: (...frame) => this.#frame(...frame),
    })
    // The parser is a server's, which waits for a preface first; no server sends one.
    this.#parser.push(preface)
    socket.write(preface)
    this.output.frame(FrameType.SETTINGS, 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, streamWindowBytes))
    this.output.frame(FrameType.WINDOW_UPDATE, 0, 0, word(connectionWindowBytes - windowBytesDefault))
    this.output.flush()
  }

  receive(chunk: Buffer): void {
    this.#parser.push(chunk)
    this.output.flush()
  }

  call({ path, body, bytes }: Call, keepAnswer: boolean, done: (ended: Ended) => void): void {
    const id = this.#nextId
    this.#nextId += 2
    const answer = keepAnswer ? [] : undefined
    const state = {
      piece: 0,
      at: 0,
      left: bytes,
      window: this.#streamWindow,
      status: -1,
      message: '',
      received: 0,
      owed: 0,
    }
    const stream: Stream = { id, body, done, answer, ...state }
    this.#streams.set(id, stream)
    this.output.frame(FrameType.HEADERS, Flag.END_HEADERS, id, this.#headers(path))
    this.#send(stream)
  }

  /** Sends as much of the body as the windows take. */
  #send(stream: Stream): void {
    while (stream.left > 0) {
      const count = Math.min(stream.left, stream.window, this.#window, frameBytesMax)
      if (count <= 0) {
        this.#blocked.add(stream)
        return
      }
      stream.left -= count
      stream.window -= count
      this.#window -= count
      this.output.head(count, FrameType.DATA, stream.left === 0 ? Flag.END_STREAM : 0, stream.id)
      this.#sendPieces(stream, count)
    }
    this.#blocked.delete(stream)
  }

  #sendPieces(stream: Stream, count: number): void {
    for (let left = count; left > 0; ) {
      const piece = stream.body[stream.piece] as Buffer
      const end = Math.min(stream.at + left, piece.length)
      this.output.bytes(end - stream.at === piece.length ? piece : piece.subarray(stream.at, end))
      left -= end - stream.at
      stream.at = end
      if (end < piece.length) continue
      stream.piece += 1
      stream.at = 0
    }
  }

  #dataBegins(id: number, bytes: number): void {
    this.#dataId = id
    this.#owed += bytes
    if (this.#owed >= connectionWindowBytes / 2) {
      this.output.frame(FrameType.WINDOW_UPDATE, 0, 0, word(this.#owed))
      this.#owed = 0
    }
    const stream = this.#streams.get(id)
    if (!stream) return
    stream.received += bytes
    stream.owed += bytes
    if (stream.owed >= streamWindowBytes / 2) {
      this.output.frame(FrameType.WINDOW_UPDATE, 0, id, word(stream.owed))
      stream.owed = 0
    }
  }

  #data(chunk: Buffer, start: number, end: number): void {
    this.#streams.get(this.#dataId)?.answer?.push(Buffer.from(chunk.subarray(start, end)))
  }

  #frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (type === FrameType.HEADERS) this.#block(this.#blocks.headers(flags, id, buffer, start, end))
    else if (type === FrameType.CONTINUATION) this.#block(this.#blocks.continuation(flags, id, buffer, start, end))
    else if (type === FrameType.WINDOW_UPDATE) this.#widen(id, buffer.readUInt32BE(start) & 0x7fffffff)
    else if (type === FrameType.SETTINGS && (flags & Flag.ACK) === 0) this.#settings(buffer, start, end)
    else if (type === FrameType.PING && (flags & Flag.ACK) === 0)
      this.output.frame(FrameType.PING, Flag.ACK, 0, Buffer.from(buffer.subarray(start, end)))
    else if (type === FrameType.RST_STREAM) this.#end(id)
    else if (type === FrameType.GOAWAY) throw new Error('the server sent GOAWAY')
  }

  #block(block: HeaderBlock | undefined): void {
    if (!block) return
    const fields = this.#decoder.decode(block.buffer, block.start, block.end) ?? []
    const stream = this.#streams.get(block.id)
    for (const { name, value } of stream ? fields : []) {
      if (stream && name === 'grpc-status') stream.status = Number(value)
      else if (stream && name === 'grpc-message') stream.message = value
    }
    if (block.endStream) this.#end(block.id)
  }

  #widen(id: number, bytes: number): void {
    if (id === 0) {
      this.#window += bytes
      for (const each of this.#blocked) this.#send(each)
      return
    }
    const stream = this.#streams.get(id)
    if (!stream) return
    stream.window += bytes
    if (this.#blocked.has(stream)) this.#send(stream)
  }

  #settings(buffer: Buffer, start: number, end: number): void {
    for (let at = start; at < end; at += 6) {
      const name = buffer.readUInt16BE(at)
      const value = buffer.readUInt32BE(at + 2)
      if (name === Setting.HEADER_TABLE_SIZE && value < hpackTableBytes)
        throw new Error(`the server allows a header table of ${value} bytes, which this client does not do`)
      if (name !== Setting.INITIAL_WINDOW_SIZE) continue
      for (const stream of this.#streams.values()) stream.window += value - this.#streamWindow
      this.#streamWindow = value
    }
    this.output.frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(0))
    this.#started()
  }

  #end(id: number): void {
    const stream = this.#streams.get(id)
    if (!stream) return
    this.#streams.delete(id)
    this.#blocked.delete(stream)
    // The server has answered before it had everything: the rest is of no use to it.
    if (stream.left > 0) this.output.frame(FrameType.RST_STREAM, 0, id, word(0))
    const { status, message, received, answer = [] } = stream
    stream.done({ status, message, bytes: received, answer })
  }
}

function setting(name: number, value: number): Buffer {
  const payload = Buffer.alloc(6)
  payload.writeUInt16BE(name, 0)
  payload.writeUInt32BE(value, 2)
  return payload
}

function word(value: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(value, 0)
  return payload
}
