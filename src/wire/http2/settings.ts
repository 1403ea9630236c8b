import {
  ConnectionError,
  ErrorCode,
  framePayloadBytesMax,
  Setting,
  windowBytesDefault,
  windowBytesMax,
} from './protocol.ts'

/** A client's settings. */
export interface PeerSettings {
  initialWindow: number
  /** It changed its header table: the next block has to say that we use none (RFC 7541, section 4.2). */
  tableChanged: boolean
  /** Streams that may be open at once. */
  streamsMax: number
}

export const defaultSettings: PeerSettings = {
  initialWindow: windowBytesDefault,
  tableChanged: false,
  streamsMax: Number.POSITIVE_INFINITY,
}

/** The payload of our own SETTINGS. */
export function encodeSettings(values: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(values.length * 6)
  for (const [at, [id, value]] of values.entries()) {
    payload.writeUInt16BE(id, at * 6)
    payload.writeUInt32BE(value, at * 6 + 2)
  }
  return payload
}

/**
 * Parses a client's SETTINGS (section 6.5.2). Limits on what we never do (push, large frames, long header lists) are
 * checked and otherwise ignored.
 * @throws ConnectionError
 */
export function readSettings(buffer: Buffer, start: number, end: number, current: PeerSettings): PeerSettings {
  if ((end - start) % 6 !== 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'truncated SETTINGS')
  let { initialWindow, tableChanged, streamsMax } = current
  for (let at = start; at < end; at += 6) {
    const id = buffer.readUInt16BE(at)
    const value = buffer.readUInt32BE(at + 2)
    if (id === Setting.INITIAL_WINDOW_SIZE) {
      if (value > windowBytesMax)
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window larger than 2^31 - 1')
      initialWindow = value
    } else if (id === Setting.HEADER_TABLE_SIZE) tableChanged = true
    else if (id === Setting.MAX_CONCURRENT_STREAMS) streamsMax = value
    else if (id === Setting.ENABLE_PUSH && value > 1)
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'ENABLE_PUSH is 0 or 1')
    else if (id === Setting.MAX_FRAME_SIZE && (value < framePayloadBytesMax || value >= 2 ** 24))
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of range')
  }
  return { initialWindow, tableChanged, streamsMax }
}
