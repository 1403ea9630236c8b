import { ConnectionError, ErrorCode, Flag, FrameType, windowBytesMax } from './protocol.ts'

// What RFC 9113 asks of frames whichever side they come from. Each of these throws ConnectionError.

/** Section 3.4: each side begins with its SETTINGS. @param greeted whether they have come */
export function expectSettingsFirst(greeted: boolean, type: number, flags: number): void {
  if (!greeted && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0))
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS must come first')
}

/** Section 6.10: between HEADERS and the last CONTINUATION no other frame may come. */
export function expectNoBlock(open: boolean): void {
  if (open) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a header block that is not continued')
}

/** Section 5.1: only clients open streams, which have odd numbers. @param opened whether this one was ever opened */
export function expectOpened(id: number, opened: boolean): void {
  if (id === 0 || id % 2 === 0 || !opened)
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame on a stream that is not open')
}

/** The error code of an RST_STREAM. */
export function readReset(buffer: Buffer, start: number, end: number): number {
  if (end - start !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a malformed RST_STREAM')
  return buffer.readUInt32BE(start)
}

/** By how many bytes a WINDOW_UPDATE enlarges a window; 0 is an error, on a stream perhaps only of that stream. */
export function readWindowUpdate(buffer: Buffer, start: number, end: number): number {
  if (end - start !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a malformed WINDOW_UPDATE')
  return buffer.readUInt32BE(start) & 0x7fffffff
}

export function emptyWindowUpdate(): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a WINDOW_UPDATE of 0 bytes')
}

/** Section 6.9.1. */
export function expectWindow(bytes: number): void {
  if (bytes > windowBytesMax) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window larger than 2^31 - 1')
}

/** Are the SETTINGS the answer to ours? */
export function isSettingsAck(flags: number, id: number, start: number, end: number): boolean {
  if (id !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream')
  if ((flags & Flag.ACK) === 0) return false
  if (end > start) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a SETTINGS ACK with values')
  return true
}

/** Is the PING the answer to ours? */
export function isPingAck(flags: number, id: number, start: number, end: number): boolean {
  if (id !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a PING on a stream')
  if (end - start !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a malformed PING')
  return (flags & Flag.ACK) !== 0
}

/** The last stream that the other side handles, from a GOAWAY. */
export function readGoAway(id: number, buffer: Buffer, start: number, end: number): number {
  if (id !== 0 || end - start < 8) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a malformed GOAWAY')
  return buffer.readUInt32BE(start) & 0x7fffffff
}
