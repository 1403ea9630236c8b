import type { Clock } from '../core/clock.ts'
import type { Explanations } from '../explain/explanations.ts'
import { type Exchange, HttpError, type HttpHandler } from '../wire/http.ts'
import { isOwnHost } from '../wire/own-host.ts'
import { type Answer, type BlobAnswer, problem, type TextAnswer } from './answer.ts'
import { createLive } from './live.ts'
import { routeOf } from './route.ts'
import { createRoutes } from './routes.ts'
import type { Sources } from './sources.ts'
import { style } from './style.ts'

export interface PageOptions extends Sources {
  /** Of the builds in the history. */
  readonly explanations: Explanations
  readonly clock: Clock
  /** The browser script; without it the pages are static. */
  readonly script?: string
}

/** The pages, while the server runs. */
export interface Pages {
  readonly handle: HttpHandler
  /**
   * Ends the event streams of open pages, which would keep a server from stopping; other requests are still answered.
   */
  endStreams(): void
}

/** Only its own script, style and forms: no other host, and no framing. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')
const fields = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** The build history for browsers: HTML made here, and a script that keeps it up to date. It is read-only. */
export function createPages({ clock, explanations, script = '', ...sources }: PageOptions): Pages {
  const live = createLive(clock)
  const routes = createRoutes(sources, explanations, clock)

  async function answerTo(exchange: Exchange): Promise<Answer> {
    if (exchange.path === '/style.css') return { status: 200, type: 'text/css; charset=utf-8', text: style }
    if (exchange.path === '/page.js') return { status: 200, type: 'text/javascript; charset=utf-8', text: script }
    return await routes.answer(routeOf(exchange), exchange.signal)
  }

  return {
    async handle(exchange) {
      assertOwnReader(exchange)
      if (exchange.path === '/live' && exchange.method === 'GET') {
        const [path = '/', query = ''] = (new URLSearchParams(exchange.query).get('of') ?? '/').split('?')
        return await live.follow(exchange, () => routes.state(routeOf({ path, query })), fields)
      }
      const answer = await answerTo(exchange).catch(problem)
      await ('pieces' in answer ? sendBlob(exchange, answer) : sendText(exchange, answer))
    },
    endStreams: live.close,
  }
}

async function sendText(exchange: Exchange, { status, type, text, location }: TextAnswer): Promise<void> {
  const bytes = Buffer.from(text)
  exchange.respond(status, {
    ...fields,
    'content-type': type,
    'content-length': String(bytes.length),
    ...(location !== undefined && { location }),
  })
  if (exchange.method === 'GET' && bytes.length > 0) await exchange.write(bytes)
}

/** The head is sent with the first piece, so that a missing blob can still be reported as such. */
async function sendBlob(exchange: Exchange, { name, size, pieces }: BlobAnswer): Promise<void> {
  const ready = {
    ...fields,
    'content-type': 'application/octet-stream',
    'content-length': String(size),
    // RFC 6266; other characters are given in the encoded form.
    'content-disposition': `attachment; filename="${name.replace(/[^\w.+-]/g, '_')}"; filename*=UTF-8''${encoded(name)}`,
  }
  if (exchange.method === 'HEAD') return exchange.respond(200, ready)
  let begun = false
  try {
    for await (const piece of pieces) {
      if (!begun) exchange.respond(200, ready)
      begun = true
      await exchange.write(piece)
    }
    if (!begun) exchange.respond(200, ready)
  } catch (error) {
    if (begun) throw error
    await sendText(exchange, problem(error))
  }
}

/** RFC 8187: also encodes what encodeURIComponent leaves but that grammar does not allow. */
function encoded(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(
    /['()*!]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/**
 * Refuses requests by scripts of other pages, and host names that somebody else's name server points at this machine
 * (DNS rebinding). Links from other pages are allowed.
 * @throws HttpError
 */
function assertOwnReader(exchange: Exchange): void {
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD')
    throw new HttpError(405, 'these pages can only be read', { allow: 'GET, HEAD' })
  if (exchange.isLocal && !isOwnHost(exchange.header('host') ?? ''))
    throw new HttpError(403, 'use localhost or an address: on this machine a name of another kind is another page')
  const site = exchange.header('sec-fetch-site')
  const isLink = exchange.header('sec-fetch-mode') === 'navigate'
  if (site !== undefined && site !== 'none' && site !== 'same-origin' && !isLink)
    throw new HttpError(403, 'another page may not read this one')
}
