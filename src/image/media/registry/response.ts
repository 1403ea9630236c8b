import type { IncomingMessage } from 'node:http'
import type { HttpAnswer, HttpRequest } from './exchange.ts'
import { failed } from './network-failure.ts'
import { brokenOff } from './raw-body.ts'

/** Bodies up to this are read to the end so that their connection can be used again. */
const discardBytesMax = 64 * 1024

/** An answer of which the head is read. */
export interface Incoming {
  readonly message: IncomingMessage
  /** Its body, when that does not come by the message. */
  readonly pieces: AsyncIterable<Uint8Array> | undefined
}

/** @param used is told of bytes of the body that are garbage now */
export function received(
  { message, pieces }: Incoming,
  { method, url }: HttpRequest,
  used: (bytes: number) => void,
): HttpAnswer {
  // An error after the last reader has left must not end the process.
  message.on('error', () => undefined)
  return {
    status: message.statusCode ?? 0,
    url,
    header(name) {
      const value = message.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body: body(pieces ?? parsed(message, url, used), url),
    // What HEAD says of a length is that of a body that does not follow.
    discard: () => discard(message, method === 'HEAD' ? 0 : Number(message.headers['content-length'] ?? 0)),
  }
}

/** @param length bytes that follow, as far as it is known */
function discard(message: IncomingMessage, length: number): void {
  if (length > discardBytesMax) return void message.destroy()
  let left = discardBytesMax
  message.on('data', (piece: Uint8Array) => {
    left -= piece.byteLength
    if (left < 0) message.destroy()
  })
}

async function* body(pieces: AsyncIterable<Uint8Array>, url: URL): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pieces
  } catch (error) {
    throw failed(error, url)
  }
}

/** The body as Node's parser gives it. */
async function* parsed(
  message: IncomingMessage,
  url: URL,
  used: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of message as AsyncIterable<Buffer>) {
    yield piece
    used(piece.byteLength)
  }
  if (!message.complete) throw brokenOff(url.host)
}
