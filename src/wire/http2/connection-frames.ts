import type { Output } from './output.ts'
import { type ErrorCode, Flag, FrameType, windowBytesDefault } from './protocol.ts'
import { encodeSettings } from './settings.ts'

/**
 * Tells the other side our settings, and what it may send ahead on the connection as a whole. Like
 * the other frames here it is of stream 0, and both sides write it (RFC 9113, section 6).
 */
export function writeSettings(
  output: Output,
  settings: readonly (readonly [id: number, value: number])[],
  connectionWindowBytes: number,
): void {
  const encoded = encodeSettings(settings)
  output.frameHead(FrameType.SETTINGS, 0, 0, encoded.length)
  output.bytes(encoded)
  output.windowUpdate(0, connectionWindowBytes - windowBytesDefault)
}

export function writePing(output: Output): void {
  output.frameHead(FrameType.PING, 0, 0, 8)
  output.uint32(0)
  output.uint32(0)
}

/** Answers a PING, whose payload begins at `start`. */
export function writePong(output: Output, buffer: Buffer, start: number): void {
  output.frameHead(FrameType.PING, Flag.ACK, 0, 8)
  output.uint32(buffer.readUInt32BE(start))
  output.uint32(buffer.readUInt32BE(start + 4))
}

/** @param lastId the last stream of the other side that was processed */
export function writeGoAway(output: Output, lastId: number, code: ErrorCode, why: string): void {
  const text = Buffer.from(why)
  output.frameHead(FrameType.GOAWAY, 0, 0, 8 + text.length)
  output.uint32(lastId)
  output.uint32(code)
  output.bytes(text)
}
