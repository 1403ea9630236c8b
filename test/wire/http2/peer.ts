import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { encodeFields } from '../../../src/wire/http2/hpack.ts'
import { FrameType, frameHeadBytes, preface } from '../../../src/wire/http2/protocol.ts'

/** A frame as a test writes or sees it. */
export interface Frame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(frameHeadBytes)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, payload])
}

export const settings = (...values: readonly (readonly [id: number, value: number])[]) =>
  frame(
    FrameType.SETTINGS,
    0,
    0,
    Buffer.concat(
      values.map(([id, value]) => {
        const each = Buffer.alloc(6)
        each.writeUInt16BE(id)
        each.writeUInt32BE(value, 2)
        return each
      }),
    ),
  )

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

export const requestFields: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/test.Service/Echo'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]

/** A request's HEADERS, whole in one frame. */
export function headers(id: number, fields = requestFields, endStream = false): Buffer {
  return frame(FrameType.HEADERS, endStream ? 5 : 4, id, encodeFields(fields))
}

export function data(id: number, bytes: Uint8Array, endStream = false): Buffer {
  return frame(FrameType.DATA, endStream ? 1 : 0, id, bytes)
}

/** A client that sends whatever bytes it is told to, and sees the server's frames. */
export interface Peer {
  readonly socket: Socket
  readonly seen: readonly Frame[]
  send(...frames: readonly Uint8Array[]): void
  /** The first frame, seen or still to come, that fits; rejects when the connection ends without. */
  until(fits: (frame: Frame) => boolean): Promise<Frame>
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>
}

/** The frames that come over a socket, after so many bytes that are none; told of each as well. */
export function framesOf(socket: Socket, skipped: number, seen: (frame: Frame) => void): readonly Frame[] {
  const frames: Frame[] = []
  let rest = Buffer.alloc(0)
  let left = skipped
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    const skip = Math.min(left, rest.length)
    left -= skip
    rest = rest.subarray(skip)
    while (left === 0 && rest.length >= frameHeadBytes && rest.length >= frameHeadBytes + rest.readUIntBE(0, 3)) {
      const end = frameHeadBytes + rest.readUIntBE(0, 3)
      const payload = rest.subarray(frameHeadBytes, end)
      const each = { type: rest[3] ?? 0, flags: rest[4] ?? 0, id: rest.readUInt32BE(5), payload }
      rest = rest.subarray(end)
      frames.push(each)
      seen(each)
    }
  })
  return frames
}

export async function openPeer(
  address: string,
  greeting: readonly Uint8Array[] = [preface, settings()],
): Promise<Peer> {
  const socket = connect(Number(address.split(':').at(-1)), '127.0.0.1')
  await once(socket, 'connect')
  const waiting = new Set<() => void>()
  let ended = false
  const tell = () => {
    for (const each of [...waiting]) each()
  }
  socket.on('error', () => undefined)
  const seen = framesOf(socket, 0, () => tell())
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      ended = true
      tell()
      resolve()
    })
  })
  for (const each of greeting) socket.write(each)
  return {
    socket,
    seen,
    closed,
    send: (...frames) => void socket.write(Buffer.concat(frames)),
    until: (fits) =>
      new Promise((resolve, reject) => {
        let looked = 0
        const look = () => {
          let found: Frame | undefined
          for (; !found && looked < seen.length; looked += 1) {
            const each = seen[looked]
            if (each && fits(each)) found = each
          }
          if (!found && !ended) return
          waiting.delete(look)
          if (found) resolve(found)
          else reject(new Error(`the connection ended; seen were frames of types ${seen.map(({ type }) => type)}`))
        }
        waiting.add(look)
        look()
      }),
  }
}

export const isGoAway = ({ type }: Frame) => type === FrameType.GOAWAY
export const isReset = ({ type }: Frame) => type === FrameType.RST_STREAM
/** The error code of a GOAWAY or RST_STREAM. */
export function codeOf({ type, payload }: Frame): number {
  return payload.readUInt32BE(type === FrameType.GOAWAY ? 4 : 0)
}
