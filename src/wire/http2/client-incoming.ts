import { Code, RpcError } from '../rpc.ts'
import { BlockReader, type HeaderBlock } from './block.ts'
import type { ClientStream } from './client-stream.ts'
import { writePong } from './connection-frames.ts'
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
    this.#expectNoBlock()
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
    if (!this.#greeted && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0))
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS must come first')
    if (type !== FrameType.CONTINUATION) this.#expectNoBlock()
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
        this.#takePing(flags, id, buffer, start, end)
        return
      case FrameType.GOAWAY:
        this.#takeGoAway(id, buffer, start, end)
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
    if (end - start !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a malformed RST_STREAM')
    this.#expectOpened(id)
    this.#connection.stream(id)?.lost(errorOfReset(buffer.readUInt32BE(start)))
  }

  #takeWindowUpdate(id: number, buffer: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a malformed WINDOW_UPDATE')
    const bytes = buffer.readUInt32BE(start) & 0x7fffffff
    if (bytes === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a WINDOW_UPDATE of 0 bytes')
    if (id === 0) this.#connection.growSendWindow(bytes, undefined)
    else {
      this.#expectOpened(id)
      const stream = this.#connection.stream(id)
      if (stream) this.#connection.growSendWindow(bytes, stream)
    }
  }

  #takeSettings(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream')
    if ((flags & Flag.ACK) !== 0) {
      if (end > start) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a SETTINGS ACK with values')
      return
    }
    this.#greeted = true
    this.#settings = readSettings(buffer, start, end, this.#settings)
    if (this.#settings.tableChanged) this.#connection.output.tableChanged()
    this.#connection.output.frameHead(FrameType.SETTINGS, Flag.ACK, 0, 0)
    this.#connection.settings(this.#settings)
  }

  #takePing(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a PING on a stream')
    if (end - start !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a malformed PING')
    if ((flags & Flag.ACK) !== 0) return
    writePong(this.#connection.output, buffer, start)
  }

  /** Section 6.8: no more calls here; those that the server has not processed may be retried elsewhere. */
  #takeGoAway(id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0 || end - start < 8) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a malformed GOAWAY')
    this.#connection.goesAway(buffer.readUInt32BE(start) & 0x7fffffff)
  }

  #cut(stream: ClientStream, error: RpcError): void {
    stream.cancel()
    stream.answer.cut(error)
  }

  /** Section 6.10: between HEADERS and the last CONTINUATION no other frame may come. */
  #expectNoBlock(): void {
    if (this.#blocks.open) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a header block that is not continued')
  }

  /** Section 5.1: the server opens no streams. */
  #expectOpened(id: number): void {
    if (id === 0 || id % 2 === 0 || !this.#connection.opened(id))
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame on a stream that is not open')
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
