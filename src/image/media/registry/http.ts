import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { errnoOf, Failure, messageOf } from '../../../core/failure.ts'
import { http, https } from '../node-http.ts'
import { reclaimer } from './reclaim.ts'
import { brokenOff, tapped, tappedAgent } from './tap.ts'

/** A request as it goes out, with nothing added behind its back. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Exactly this many bytes follow. */
  readonly body?: { readonly size: number; readonly content: AsyncIterable<Uint8Array> }
}

/** An answer whose body must be read, or discarded. */
export interface HttpAnswer {
  readonly status: number
  readonly url: URL
  header(name: string): string | undefined
  /** The body as it comes; ends with Failure 'unavailable' when it breaks off. */
  readonly body: AsyncIterable<Uint8Array>
  /** Gives the connection back without reading on. */
  discard(): void
}

/** One exchange. @throws Failure 'unavailable', 'deadline'; what the request's body throws */
export type Exchange = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>

export interface HttpOptions {
  /** False accepts any certificate. */
  readonly tlsVerify: boolean
  /** Certificates (PEM) that are trusted beside the system's. */
  readonly ca?: string
  /** Milliseconds in which nothing at all comes or goes before an exchange is given up. */
  readonly idleMsMax: number
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY are taken from here. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Bodies up to this are read to the end so that their connection can be used again. */
const discardBytesMax = 64 * 1024

/** HTTP over kept-alive connections, without redirects, retries or credentials of its own. */
export function openHttp(options: HttpOptions): { exchange: Exchange; close(): void } {
  const common = { keepAlive: true, maxSockets: 16, proxyEnv: { ...options.env } as NodeJS.ProcessEnv }
  let plain: Agent | undefined
  let secure: Agent | undefined
  const overTcp = (): Transport => {
    plain ??= tappedAgent(http.Agent, common)
    return { start: http.request, agent: plain }
  }
  const overTls = (): Transport => {
    const { Agent, request } = https()
    const { ca, tlsVerify } = options
    const trusted = { rejectUnauthorized: tlsVerify, ...(ca === undefined ? {} : { ca }) }
    secure ??= tappedAgent(Agent, { ...common, ...trusted })
    return { start: request, agent: secure }
  }
  const used = reclaimer()
  return {
    async exchange(request, signal) {
      const transport = request.url.protocol === 'https:' ? overTls() : overTcp()
      return answer(await exchange(transport, request, signal, options.idleMsMax), request.url, used)
    },
    close() {
      plain?.destroy()
      secure?.destroy()
    },
  }
}

/** An answer of which the head is read. */
interface Incoming {
  readonly message: IncomingMessage
  /** Its body, when that does not come by the message. */
  readonly pieces: AsyncIterable<Uint8Array> | undefined
}

interface Transport {
  readonly start: typeof http.request
  readonly agent: Agent
}

async function exchange(
  { start, agent }: Transport,
  request: HttpRequest,
  signal: AbortSignal,
  idleMsMax: number,
): Promise<Incoming> {
  signal.throwIfAborted()
  const headers: Record<string, string> = { ...request.headers }
  if (request.body) headers['content-length'] = String(request.body.size)
  else if (request.method !== 'GET' && request.method !== 'HEAD') headers['content-length'] = '0'
  const options: RequestOptions = { method: request.method, headers, agent, timeout: idleMsMax, signal }
  const outgoing = start(request.url, options)
  const answered = new Promise<Incoming>((resolve, reject) => {
    outgoing.once('response', (message) =>
      resolve({ message, pieces: request.method === 'GET' ? tapped(message, request.url.host) : undefined }),
    )
    outgoing.on('error', reject)
    outgoing.once('timeout', () => outgoing.destroy(idle(request.url, idleMsMax)))
  })
  // Sending and answering overlap: a server may refuse before it has read everything.
  let isAnswered = false
  let bodyError: unknown
  const sent = send(outgoing, request.body?.content, () => isAnswered).catch((error: unknown) => {
    bodyError = error
    outgoing.destroy(error instanceof Error ? error : undefined)
  })
  try {
    const incoming = await answered
    isAnswered = true
    incoming.message.once('close', () => {
      if (!outgoing.writableFinished) outgoing.destroy()
    })
    return incoming
  } catch (error) {
    isAnswered = true
    await sent
    // What reading the body threw is the cause; the broken connection only follows from it.
    throw bodyError ?? failed(error, request.url, signal)
  }
}

async function send(
  outgoing: ClientRequest,
  content: AsyncIterable<Uint8Array> | undefined,
  isAnswered: () => boolean,
): Promise<void> {
  for await (const chunk of content ?? []) {
    if (isAnswered() || outgoing.destroyed) return
    await written(outgoing, chunk)
  }
  outgoing.end()
}

/** Until a piece has gone to the network, and its memory can be used again, or nothing has to be sent any more. */
function written(outgoing: ClientRequest, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('close', done)
      outgoing.off('response', done)
      resolve()
    }
    outgoing.once('close', done)
    outgoing.once('response', done)
    outgoing.write(piece, done)
  })
}

function answer({ message, pieces }: Incoming, url: URL, used: (bytes: number) => void): HttpAnswer {
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
    discard() {
      const length = Number(message.headers['content-length'] ?? 0)
      if (length <= discardBytesMax) message.resume()
      else message.destroy()
    },
  }
}

async function* body(pieces: AsyncIterable<Uint8Array>, url: URL): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pieces
  } catch (error) {
    throw failed(error, url, undefined)
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

function idle(url: URL, idleMsMax: number): Failure {
  return new Failure('deadline', `nothing came for ${idleMsMax / 1000} s`, { where: url.host })
}

const tlsCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** True when the other side's certificate is the problem. */
export function isTlsProblem(error: unknown): boolean {
  return error instanceof Error && tlsCodes.test(errnoOf(error) ?? '') && !isNoTls(error)
}

/** True when the other side does not speak TLS at all. */
export function isNoTls(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
}

function failed(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  if (error instanceof Failure) return error
  const code = errnoOf(error)
  if (isTlsProblem(error))
    return new Failure('denied', `the certificate of ${url.host} is not trusted (${code})`, {
      where: url.host,
      next: [
        'Put its authority into /etc/containers/certs.d/HOST:PORT/ca.crt, or switch the check off with --src-tls-verify=false or --dest-tls-verify=false.',
      ],
      cause: error,
    })
  const plain: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'there is no host of that name',
    EAI_AGAIN: 'its name cannot be resolved now',
    ECONNRESET: 'it closed the connection',
    EPIPE: 'it closed the connection',
    EHOSTUNREACH: 'there is no route to it',
    ETIMEDOUT: 'it does not answer',
  }
  return new Failure('unavailable', `${url.host} cannot be reached: ${plain[code ?? ''] ?? messageOf(error)}`, {
    where: url.host,
    cause: error,
  })
}
