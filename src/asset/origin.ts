import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { errnoOf, messageOf } from '../core/failure.ts'
import { systemMeaning } from '../host/system-errors.ts'
import { Code } from '../wire/rpc.ts'
import type { Admission } from './admission.ts'
import { AtOrigin, inconsistent } from './at-origin.ts'
import { type Headers, headersElsewhere } from './headers.ts'

/** The content that an origin sends. */
export interface Body {
  /** Bytes; undefined if the origin does not announce it. */
  readonly size: number | undefined
  /** Fails with AtOrigin if it breaks off. Ending its iterator early closes the connection. */
  readonly pieces: AsyncIterable<Buffer>
}

/** A body that comes over a connection. */
export interface Incoming extends Body {
  /** Closes the connection, however much has been read. */
  close(): void
}

export interface OriginRequest {
  readonly url: URL
  readonly headers: Headers
  /** Aborts the request; its reason is thrown. */
  readonly signal: AbortSignal
  /** True if the content will be checked against a checksum, so that transport and encoding do not matter. */
  readonly checked: boolean
}

/** Sends requests to HTTP and HTTPS servers. */
export interface Origin {
  /** @throws AtOrigin */
  open(asked: OriginRequest): Promise<Incoming>
}

const redirectsMax = 10
/** After this long without a byte the next URI is tried, in milliseconds. */
const silentMsMax = 60_000
const headerBytesMax = 16 * 1024

/** @param ca PEM certificates that are trusted in addition to the usual ones */
export function createOrigin(admission: Admission, ca: string | undefined): Origin {
  let ask: ((url: URL, headers: Headers, signal: AbortSignal) => Promise<IncomingMessage>) | undefined
  return {
    async open({ url: first, headers: sent, signal, checked }) {
      ask ??= await asker(admission, ca)
      let url = first
      let headers = sent
      for (let redirects = 0; redirects <= redirectsMax; redirects += 1) {
        admission.assertUrl(url)
        const answer = await ask(url, headers, signal)
        const next = redirectOf(answer, url)
        if (!next) return bodyOf(answer, { url, checked, signal })
        answer.destroy()
        if (url.protocol === 'https:' && next.protocol === 'http:' && !checked)
          throw inconsistent(`${hostOf(url)} redirects from HTTPS to HTTP, and there is no checksum to verify it with`)
        if (next.origin !== url.origin) headers = headersElsewhere(headers)
        url = next
      }
      throw inconsistent(`${hostOf(first)} redirects more than ${redirectsMax} times`)
    },
  }
}

/** The URL that an asset may be fetched from; undefined for other URIs. */
export function fetchable(uri: string): URL | undefined {
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined
}

/**
 * The modules are loaded at the first request: they would add 40 ms to each server's start. Connections are not reused.
 */
async function asker(admission: Admission, ca: string | undefined) {
  const http = process.getBuiltinModule('node:http')
  const https = process.getBuiltinModule('node:https')
  const { getCACertificates } = process.getBuiltinModule('node:tls')
  const plain = { request: http.request, agent: new http.Agent() }
  const secure = {
    request: https.request,
    agent: new https.Agent(ca === undefined ? {} : { ca: [...getCACertificates(), ca] }),
  }
  return (url: URL, headers: Headers, signal: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { request, agent }: { request: typeof http.request; agent: Agent } =
        url.protocol === 'https:' ? secure : plain
      const asked: ClientRequest = request(url, {
        agent,
        signal,
        lookup: admission.lookup,
        maxHeaderSize: headerBytesMax,
        headers: { 'accept-encoding': 'identity', 'user-agent': 'native', accept: '*/*', ...headers },
      })
      asked.setTimeout(silentMsMax, () => asked.destroy(silent(url)))
      asked.on('error', (error) => reject(troubleOf(error, url, signal)))
      asked.on('response', resolve)
      asked.end()
    })
}

/** @throws AtOrigin if the redirect leads nowhere */
function redirectOf({ statusCode, headers }: IncomingMessage, url: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(statusCode ?? 0)) return undefined
  const target = headers.location !== undefined && URL.parse(headers.location, url.href)
  const next = target ? fetchable(target.href) : undefined
  if (next) return next
  throw inconsistent(`${hostOf(url)} redirects to where nothing can be fetched`)
}

function bodyOf(answer: IncomingMessage, { url, checked, signal }: Omit<OriginRequest, 'headers'>): Incoming {
  const refusal = refusalOf(answer, url, checked)
  if (refusal) {
    answer.destroy()
    throw refusal
  }
  const length = answer.headers['content-length']
  return {
    size: length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
    pieces: piecesOf(answer, url, signal),
    close: () => void answer.destroy(),
  }
}

async function* piecesOf(answer: IncomingMessage, url: URL, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const piece of answer) yield piece
  } catch (error) {
    throw troubleOf(error, url, signal)
  }
  if (!answer.complete) throw new AtOrigin(Code.UNAVAILABLE, `the content from ${hostOf(url)} breaks off`)
}

/** What is wrong with a response; undefined when its body is what was requested. */
function refusalOf({ statusCode = 0, headers }: IncomingMessage, url: URL, checked: boolean): AtOrigin | undefined {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (statusCode === 200 && (checked || encoding === 'identity')) return undefined
  if (statusCode === 200)
    return inconsistent(`${hostOf(url)} packs the content (${encoding.slice(0, 40)}), which it was asked not to do`)
  return new AtOrigin(codeOf(statusCode), `${hostOf(url)} answers ${statusCode}`)
}

function codeOf(status: number): Code {
  if (status === 404 || status === 410) return Code.NOT_FOUND
  if (status === 401 || status === 403 || status === 407 || status === 451) return Code.PERMISSION_DENIED
  if (status === 429) return Code.RESOURCE_EXHAUSTED
  return status >= 500 ? Code.UNAVAILABLE : Code.ABORTED
}

function troubleOf(error: unknown, url: URL, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  for (const known of [error, error instanceof Error ? error.cause : undefined])
    if (known instanceof AtOrigin) return known
  if (errnoOf(error) === 'HPE_HEADER_OVERFLOW')
    return inconsistent(`${hostOf(url)} answers with more than ${headerBytesMax} bytes of header fields`, error)
  const says = systemMeaning(error)?.says ?? messageOf(error)
  return new AtOrigin(Code.UNAVAILABLE, `the content cannot be had from ${hostOf(url)}: ${says}`, error)
}

function silent(url: URL): AtOrigin {
  return new AtOrigin(Code.DEADLINE_EXCEEDED, `${hostOf(url)} has sent nothing for ${silentMsMax / 1000} s`)
}

/** What errors reveal of a URL: the path may be private. */
function hostOf({ host }: URL): string {
  return host
}
