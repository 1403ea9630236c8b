import { Code, RpcError } from '../rpc.ts'
import { BlockReader, type HeaderBlock } from './block.ts'
import type { ClientStream } from './client-stream.ts'
import { writePong } from './connection-frames.ts'
import {
  emptyWindowUpdate,
  expectNoBlock,
  expectOpened,
  expectSettingsFirst,
  isPingAck,
  isSettingsAck,
  readGoAway,
  readReset,
  readWindowUpdate,
} from './frame-rules.ts'
import { HpackDecoder } from './hpack.ts'
import type { Output } from './output.ts'
import type { FrameSink } from './parser.ts'
import { ConnectionError, ErrorCode, Flag, FrameType } from './protocol.ts'
import { defaultSettings, type PeerSettings, readSettings } from './settings.ts'

/** Header fields of one answer in memory (RFC 9113, section 6.5.2); announced to servers. */
export const headerListBytesMax = 64 * 1024

/** The connection that the frames belong to. */
export interface ClientConnection {
  readonly output: Output
  stream(id: number): ClientStream | undefined
  /** Was there ever a stream with this id? */
  opened(id: number): boolean
  /** DATA arrived, on any stream. @throws ConnectionError if it is more than was allowed */
  spendReceiveWindow(bytes: number): void
  /** The server accepts more bytes, on one stream or on all together. @throws ConnectionError on overflow */
  growSendWindow(bytes: number, stream: ClientStream | undefined): void
  /** The server's SETTINGS. @throws ConnectionError if a window overflows */
  settings(settings: PeerSettings): void
  /** No more calls here; of the open ones, the server handles none after this one. */
  goesAway(lastId: number): void
}

/** The server's frames: checks each against the rules, and passes on what it means. */
export class ClientIncoming implements FrameSink {
  readonly #connection: ClientConnection
  readonly #hpack = new HpackDecoder(headerListBytesMax)
  readonly #blocks = new BlockReader()
  #settings = defaultSettings
  #greeted = false
  /** The stream of the DATA that is arriving; undefined if it is over. */
  #current: ClientStream | undefined
  #currentBytes = 0

  constructor(connection: ClientConnection) {
    this.#connection = connection
  }

  begins(): void {
    // Servers have no preface of their own: it is their SETTINGS.
  }

  dataBegins(id: number, bytes: number): void {
    expectNoBlock(this.#blocks.open)
    this.#expectOpened(id)
    this.#connection.spendReceiveWindow(bytes)
    this.#currentBytes = bytes
    const stream = this.#connection.stream(id)
    this.#current = stream
    if (!stream) return
    stream.receiveWindow -= bytes
    if (stream.receiveWindow < 0)
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA on a stream than allowed')
  }

  data(chunk: Buffer, start: number, end: number): void {
    if (this.#current && !this.#current.gone) this.#current.answer.data(chunk, start, end)
  }

  dataEnds(endStream: boolean): void {
    const stream = this.#current
    this.#current = undefined
    if (!stream || stream.gone) return
    stream.received(this.#currentBytes)
    if (endStream) this.#cut(stream, new RpcError(Code.INTERNAL, 'the answer ended without a grpc-status'))
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    expectSettingsFirst(this.#greeted, type, flags)
    if (type !== FrameType.CONTINUATION) expectNoBlock(this.#blocks.open)
    switch (type) {
      case FrameType.HEADERS:
        this.#takeBlock(this.#blocks.headers(flags, id, buffer, start, end))
        return
      case FrameType.CONTINUATION:
        this.#takeBlock(this.#blocks.continuation(flags, id, buffer, start, end))
        return
      case FrameType.RST_STREAM:
        this.#takeReset(id, buffer, start, end)
        return
      case FrameType.WINDOW_UPDATE:
        this.#takeWindowUpdate(id, buffer, start, end)
        return
      case FrameType.SETTINGS:
        this.#takeSettings(flags, id, buffer, start, end)
        return
      case FrameType.PING:
        if (!isPingAck(flags, id, start, end)) writePong(this.#connection.output, buffer, start)
        return
      case FrameType.GOAWAY:
        this.#connection.goesAway(readGoAway(id, buffer, start, end))
        return
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a push, which was declined')
    }
  }

  #takeBlock(block: HeaderBlock | undefined): void {
    if (!block) return
    // Even if its stream is over: the next block may refer to this one.
    const fields = this.#hpack.decode(block.buffer, block.start, block.end)
    this.#expectOpened(block.id)
    const stream = this.#connection.stream(block.id)
    if (!stream) return
    if (fields?.some(({ sound }) => !sound)) this.#cut(stream, new RpcError(Code.INTERNAL, 'malformed header fields'))
    else {
      // First, so that the stream is over when the caller is notified.
      if (block.endStream) stream.answered()
      stream.answer.fields(fields, block.endStream)
    }
  }

  #takeReset(id: number, buffer: Buffer, start: number, end: number): void {
    const code = readReset(buffer, start, end)
    this.#expectOpened(id)
    this.#connection.stream(id)?.lost(errorOfReset(code))
  }

  #takeWindowUpdate(id: number, buffer: Buffer, start: number, end: number): void {
    const bytes = readWindowUpdate(buffer, start, end)
    if (bytes === 0) throw emptyWindowUpdate()
    if (id === 0) this.#connection.growSendWindow(bytes, undefined)
    else {
      this.#expectOpened(id)
      const stream = this.#connection.stream(id)
      if (stream) this.#connection.growSendWindow(bytes, stream)
    }
  }

  #takeSettings(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (isSettingsAck(flags, id, start, end)) return
    this.#greeted = true
    this.#settings = readSettings(buffer, start, end, this.#settings)
    if (this.#settings.tableChanged) this.#connection.output.tableChanged()
    this.#connection.output.frameHead(FrameType.SETTINGS, Flag.ACK, 0, 0)
    this.#connection.settings(this.#settings)
  }

  #cut(stream: ClientStream, error: RpcError): void {
    stream.cancel()
    stream.answer.cut(error)
  }

  /** Section 5.1: the server opens no streams. */
  #expectOpened(id: number): void {
    expectOpened(id, this.#connection.opened(id))
  }
}

/** "HTTP2 Transport Mapping" of gRPC over HTTP/2. */
function errorOfReset(code: number): RpcError {
  const text = `the server has reset the stream (${code})`
  if (code === ErrorCode.REFUSED_STREAM) return new RpcError(Code.UNAVAILABLE, text)
  if (code === ErrorCode.CANCEL) return new RpcError(Code.CANCELLED, text)
  if (code === ErrorCode.ENHANCE_YOUR_CALM) return new RpcError(Code.RESOURCE_EXHAUSTED, text)
  return new RpcError(Code.INTERNAL, text)
}
