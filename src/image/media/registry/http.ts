import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { http, https } from '../node-http.ts'
import type { Exchange, HttpRequest } from './exchange.ts'
import { failed, idle, late } from './network-failure.ts'
import { type Incoming, received } from './received.ts'
import { reclaimer } from './reclaim.ts'
import { tapped, tappedAgent } from './tap.ts'

export interface HttpOptions {
  /** False accepts any certificate. */
  readonly tlsVerify: boolean
  /** The flag that says so, for errors. */
  readonly tlsFlag?: string | undefined
  /** Certificates (PEM) of all authorities that are trusted, in place of those that Node trusts. */
  readonly ca?: string
  /** Milliseconds in which nothing at all comes or goes before an exchange is given up. */
  readonly idleMsMax: number
  /** Milliseconds in which an exchange has to be over that is not large: bytes that drip are never idle. */
  readonly wholeMsMax: number
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY are taken from here. */
  readonly env: Readonly<Record<string, string | undefined>>
}

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
      return received(await exchange(transport, request, signal, options), request, used)
    },
    close() {
      plain?.destroy()
      secure?.destroy()
    },
  }
}

interface Transport {
  readonly start: typeof http.request
  readonly agent: Agent
}

async function exchange(
  { start, agent }: Transport,
  request: HttpRequest,
  signal: AbortSignal,
  { idleMsMax, wholeMsMax, tlsFlag }: HttpOptions,
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
  if (!request.isLarge) endLate(outgoing, request.url, wholeMsMax)
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
    throw bodyError ?? failed(error, request.url, signal, tlsFlag)
  }
}

/** Ends an exchange that is not over in time. */
function endLate(outgoing: ClientRequest, url: URL, wholeMsMax: number): void {
  let answering: IncomingMessage | undefined
  outgoing.once('response', (message) => {
    answering = message
  })
  const timer = setTimeout(() => (answering ?? outgoing).destroy(late(url, wholeMsMax)), wholeMsMax)
  outgoing.once('close', () => clearTimeout(timer))
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
