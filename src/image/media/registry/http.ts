import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { getCACertificates } from 'node:tls'
import { systemCertificates } from '../../network/certificates.ts'
import { proxyFor } from '../../network/proxy.ts'
import { http, https } from '../node-http.ts'
import type { Exchange, HttpRequest } from './exchange.ts'
import { failed, idle, isUntrusted, late } from './network-failure.ts'
import { tapped, tappedAgent } from './raw-body.ts'
import { type Incoming, received } from './response.ts'
import { reclaimer } from './young-generation.ts'

export interface HttpOptions {
  /** False accepts any certificate. */
  readonly tlsVerify: boolean
  /** The flag that says so, for errors. */
  readonly tlsFlag?: string | undefined
  /** PEM certificates of all trusted authorities, in place of Node's own. */
  readonly ca?: string
  /** Milliseconds without any data after which an exchange is given up. */
  readonly idleMsMax: number
  /** Total time limit in milliseconds for an exchange that is not large: a trickle of bytes is never idle. */
  readonly wholeMsMax: number
  /** Source of HTTP_PROXY, HTTPS_PROXY and NO_PROXY (network/proxy.ts). */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** HTTP over kept-alive connections, without redirects, retries or credentials of its own. */
export function openHttp(options: HttpOptions): { exchange: Exchange; close(): void } {
  const agents = new Map<string, Agent>()
  let { ca } = options
  let isWidened = false
  const transportTo = (url: URL): Transport => {
    const proxy = proxyFor(url, options.env)
    const key = `${url.protocol} ${proxy?.href ?? ''}`
    // Whether to use a proxy is decided here, by one rule for everything that we reach.
    const proxyEnv = proxy ? { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } : {}
    const common = { keepAlive: true, maxSockets: 16, proxyEnv: proxyEnv as NodeJS.ProcessEnv }
    if (url.protocol !== 'https:') {
      const agent = agents.get(key) ?? tappedAgent(http.Agent, common)
      agents.set(key, agent)
      return { start: http.request, agent }
    }
    const { Agent, request } = https()
    const trusted = { rejectUnauthorized: options.tlsVerify, ...(ca === undefined ? {} : { ca }) }
    const agent = agents.get(key) ?? tappedAgent(Agent, { ...common, ...trusted })
    agents.set(key, agent)
    return { start: request, agent }
  }
  const close = (): void => {
    for (const each of agents.values()) each.destroy()
    agents.clear()
  }
  /** A company's authority is often only in the system's store. */
  const widen = (): void => {
    isWidened = true
    ca = [ca ?? getCACertificates('default').join('\n'), ...systemCertificates()].join('\n')
    close()
  }
  const used = reclaimer()
  return {
    async exchange(request, signal) {
      const once = async () =>
        received(await exchange(transportTo(request.url), request, signal, options), request, used)
      try {
        return await once()
      } catch (error) {
        // A body cannot be sent again, but a request without one always comes first.
        if (isWidened || request.body || !isUntrusted(error)) throw error
        widen()
        return once()
      }
    },
    close,
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
  // Sending and receiving overlap: a server may refuse before it has read everything.
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
    // An error from reading the body is the cause; the broken connection only follows from it.
    throw bodyError ?? failed(error, request.url, signal, tlsFlag)
  }
}

/** Aborts an exchange that exceeds its time limit. */
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

/** Waits until a piece has been sent, so that its memory can be reused, or nothing more has to be sent. */
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
