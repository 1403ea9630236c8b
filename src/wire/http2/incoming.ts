import type { AbuseLimits } from './abuse-limits.ts'
import { BlockReader, type HeaderBlock } from './block.ts'
import { writePong, writeSettings } from './connection-frames.ts'
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
import { readHead, soundTrailers } from './head.ts'
import { HpackDecoder } from './hpack.ts'
import type { Output } from './output.ts'
import type { FrameSink } from './parser.ts'
import { ConnectionError, ErrorCode, Flag, FrameType, Setting, windowBytesMax } from './protocol.ts'
import { defaultSettings, readSettings } from './settings.ts'
import { type Stream, streamWindowBytes } from './stream.ts'
import { connectionWindowBytes, type Streams } from './streams.ts'

/** Header fields of one request in memory (RFC 9113, section 6.5.2); announced to clients. */
const headerListBytesMax = 16 * 1024

/** The client's frames: checks each against the rules, and passes on what it means. */
export class Incoming implements FrameSink {
  readonly #streams: Streams
  readonly #output: Output
  readonly #abuseLimits: AbuseLimits
  readonly #streamsMax: number
  /** Called when the client answers our ping. */
  readonly #pong: () => void
  readonly #blocks = new BlockReader()
  readonly #hpack = new HpackDecoder(headerListBytesMax)
  #settings = defaultSettings
  #greeted = false
  /** The highest stream that the client has opened, and the highest that is served. */
  #lastId = 0
  #servedIdMax = windowBytesMax
  /** The stream of the DATA that is arriving; undefined if it is closed. */
  #current: Stream | undefined
  #currentBytes = 0

  constructor(streams: Streams, abuseLimits: AbuseLimits, streamsMax: number, pong: () => void) {
    this.#streams = streams
    this.#output = streams.output
    this.#abuseLimits = abuseLimits
    this.#streamsMax = streamsMax
    this.#pong = pong
  }

  get lastId(): number {
    return this.#lastId
  }

  /** From now on only streams that are already open are served. */
  serveNoMore(): void {
    this.#servedIdMax = this.#lastId
  }

  begins(): void {
    const settings = [
      [Setting.MAX_CONCURRENT_STREAMS, this.#streamsMax],
      [Setting.INITIAL_WINDOW_SIZE, streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, headerListBytesMax],
    ] as const
    writeSettings(this.#output, settings, connectionWindowBytes)
  }

  dataBegins(id: number, bytes: number): void {
    expectNoBlock(this.#blocks.open)
    this.#expectOpened(id)
    this.#currentBytes = bytes
    this.#current = undefined
    this.#streams.spendReceiveWindow(bytes)
    const stream = this.#streams.get(id)
    if (!stream) {
      this.#abuseLimits.spendIdleFrame()
      // If we reset it, this was already in flight.
      if (this.#streams.closedBy(id, this.#lastId) === 'client') this.#output.reset(id, ErrorCode.STREAM_CLOSED)
      return
    }
    stream.receiveWindow -= bytes
    if (stream.remoteEnded) this.#streams.reset(stream, ErrorCode.STREAM_CLOSED)
    else if (stream.receiveWindow < 0) this.#streams.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
    else this.#current = stream
  }

  data(chunk: Buffer, start: number, end: number): void {
    this.#current?.receive(chunk, start, end)
  }

  dataEnds(endStream: boolean): void {
    const stream = this.#current
    this.#current = undefined
    if (this.#currentBytes === 0 && !endStream) this.#abuseLimits.spendIdleFrame()
    if (!stream || stream.gone) return
    if (!stream.received(this.#currentBytes)) this.#streams.reset(stream, ErrorCode.NO_ERROR)
    else if (endStream) this.#endRequest(stream)
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
        this.#takePing(flags, id, buffer, start, end)
        return
      case FrameType.PRIORITY:
        this.#takePriority(id, buffer, start, end)
        return
      case FrameType.GOAWAY:
        readGoAway(id, buffer, start, end)
        return
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'clients do not push')
      default:
        // Section 5.5: unknown frame types are ignored.
        this.#abuseLimits.spendIdleFrame()
    }
  }

  #takeBlock(block: HeaderBlock | undefined): void {
    if (!block) return
    const { id, endStream } = block
    // Even if its stream is not served: the next block may refer to this one.
    const fields = this.#hpack.decode(block.buffer, block.start, block.end)
    const open = this.#streams.get(id)
    if (open) {
      if (open.remoteEnded) this.#streams.reset(open, ErrorCode.STREAM_CLOSED)
      else if (endStream && (!fields || soundTrailers(fields))) this.#endRequest(open)
      else this.#streams.reset(open, ErrorCode.PROTOCOL_ERROR)
      return
    }
    if (id <= this.#lastId) {
      this.#expectOnItsWay(id)
      return
    }
    this.#lastId = id
    if (id > this.#servedIdMax) {
      this.#abuseLimits.spendIdleFrame()
      this.#streams.passOver(id)
      return
    }
    const head = fields && readHead(fields)
    if (fields && !head) {
      this.#abuseLimits.spendReset()
      this.#streams.refuse(id, ErrorCode.PROTOCOL_ERROR)
      return
    }
    const stream = this.#streams.begin(id, head, this.#settings.initialWindow)
    if (stream && endStream) this.#endRequest(stream)
  }

  /** HEADERS of a closed stream can only be its trailers. */
  #expectOnItsWay(id: number): void {
    this.#abuseLimits.spendIdleFrame()
    const by = this.#streams.closedBy(id, this.#lastId)
    if (by === 'client') throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'HEADERS on a stream that has ended')
    if (by === 'nobody')
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a stream with a lower number than the one before')
  }

  #endRequest(stream: Stream): void {
    if (!stream.endOfRequest()) this.#streams.reset(stream, ErrorCode.PROTOCOL_ERROR)
  }

  #takeReset(id: number, buffer: Buffer, start: number, end: number): void {
    const code = readReset(buffer, start, end)
    this.#expectOpened(id)
    const stream = this.#streams.get(id)
    if (!stream) {
      this.#abuseLimits.spendIdleFrame()
      return
    }
    // A client that has its answer may legitimately end the stream like this (rule 7).
    if (!stream.localEnded) this.#abuseLimits.spendReset()
    this.#streams.close(stream, code === ErrorCode.CANCEL)
  }

  #takeWindowUpdate(id: number, buffer: Buffer, start: number, end: number): void {
    const bytes = readWindowUpdate(buffer, start, end)
    this.#abuseLimits.spendUpdate()
    if (id === 0) {
      if (bytes === 0) throw emptyWindowUpdate()
      this.#streams.growSendWindow(bytes)
      return
    }
    this.#expectOpened(id)
    const stream = this.#streams.get(id)
    if (stream) this.#streams.growStream(stream, bytes)
  }

  #takeSettings(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const isAck = isSettingsAck(flags, id, start, end)
    this.#abuseLimits.spendIdleFrame()
    if (isAck) return
    this.#greeted = true
    const before = this.#settings.initialWindow
    this.#settings = readSettings(buffer, start, end, this.#settings)
    if (this.#settings.tableChanged) this.#output.tableChanged()
    // Section 6.5.3: acknowledge first, then use what the new values allow.
    this.#output.frameHead(FrameType.SETTINGS, Flag.ACK, 0, 0)
    const growth = this.#settings.initialWindow - before
    if (growth !== 0) this.#streams.growStreams(growth)
  }

  #takePing(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const isAck = isPingAck(flags, id, start, end)
    this.#abuseLimits.spendIdleFrame()
    if (isAck) this.#pong()
    else writePong(this.#output, buffer, start)
  }

  /** Priorities are ignored, which section 5.3.2 permits, but their form is checked. */
  #takePriority(id: number, buffer: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a PRIORITY on stream 0')
    this.#abuseLimits.spendIdleFrame()
    const malformed = end - start !== 5
    const itself = !malformed && (buffer.readUInt32BE(start) & 0x7fffffff) === id
    if (!malformed && !itself) return
    const stream = this.#streams.get(id)
    if (!stream) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a malformed PRIORITY')
    this.#streams.reset(stream, malformed ? ErrorCode.FRAME_SIZE_ERROR : ErrorCode.PROTOCOL_ERROR)
  }

  /** Section 5.1: a stream that was never opened may only get HEADERS and PRIORITY. */
  #expectOpened(id: number): void {
    expectOpened(id, id <= this.#lastId)
  }
}
