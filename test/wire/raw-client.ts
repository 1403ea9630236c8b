import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2'

/** What came back on one raw HTTP/2 stream. */
export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Of the trailers, or of the headers where there are only those. */
  readonly grpcStatus: string | undefined
  readonly grpcMessage: string | undefined
  readonly body: Buffer
  readonly rstCode: number
}

/** node:http2's client: it is as free to break gRPC's rules as a test needs it. */
export async function rawSession(address: string): Promise<ClientHttp2Session> {
  // Requests that wait for room count as session memory at the client.
  const session = connect(`http://${address}`, { maxSessionMemory: 1000 })
  session.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    session.once('remoteSettings', () => resolve())
    session.once('close', () => reject(new Error('the connection was closed')))
  })
  return session
}

export const grpcHeaders = {
  [constants.HTTP2_HEADER_METHOD]: 'POST',
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
  te: 'trailers',
} as const

/** One request with these bytes as its body. */
export async function rawCall(
  session: ClientHttp2Session,
  method: string,
  body: readonly Uint8Array[],
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const stream = session.request({ ...grpcHeaders, ':path': `/test.Service/${method}`, ...headers })
  let answer: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const pieces: Buffer[] = []
  stream.on('response', (fields) => {
    answer = fields
  })
  stream.on('trailers', (fields) => {
    trailers = fields
  })
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.on('error', () => undefined)
  for (const piece of body) stream.write(piece)
  stream.end()
  // events.once would throw at the error that some tests provoke.
  await new Promise<void>((resolve) => {
    stream.once('close', resolve)
  })
  const all = { ...answer, ...trailers }
  return {
    status: Number(answer[':status']),
    headers: answer,
    grpcStatus: text(all['grpc-status']),
    grpcMessage: text(all['grpc-message']),
    body: Buffer.concat(pieces),
    rstCode: stream.rstCode,
  }
}

/** A gRPC message in its frame. */
export function frame(message: Uint8Array, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, message])
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
