import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { hostPortText, parseHostPort } from '../core/address.ts'
import { messageOf } from '../core/failure.ts'
import { systemFailure } from '../host/system-errors.ts'
import type { Admit } from '../wire/same-user.ts'

// Importing node:http also loads undici: 40 ms of processor time at each server's start.
const { createServer } = process.getBuiltinModule('node:http')

export interface WebOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** The metrics in Prometheus' text format. */
  metricsText(): Promise<string>
  /** False while it starts or drains. */
  ready(): boolean
  /** Who is admitted; others get 403. Everybody if absent. */
  readonly admit?: Admit | undefined
  /** Lines for people, after the first line of the response. */
  notes(): string[]
}

export interface Web {
  readonly address: string
  close(): Promise<void>
}

/**
 * Serves GET /metrics and GET /healthz (200 when ready, 503 otherwise) for monitoring.
 * @throws Failure 'exists' when another program uses the address, and what else systemFailure makes of listening
 */
export async function startWeb(options: WebOptions): Promise<Web> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`))
  })
  const { host, port } = parseHostPort(options.listen)
  await listening(server, host, port)
  const bound = server.address()
  return {
    address: typeof bound === 'object' && bound ? hostPortText({ host, port: bound.port }) : options.listen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(options: WebOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?', 1)[0]
  if (options.admit && !(await options.admit(request.socket)))
    response.writeHead(403).end('this server is private to the user who runs it\n')
  else if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end()
  else if (path === '/healthz') response.writeHead(options.ready() ? 200 : 503).end(healthText(options))
  else if (path === '/metrics') {
    const text = await options.metricsText()
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text)
  } else response.writeHead(404).end()
}

function healthText({ ready, notes }: WebOptions): string {
  return [ready() ? 'ok' : 'not ready', ...notes()].map((line) => `${line}\n`).join('')
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failure = { doing: 'cannot serve metrics', where: hostPortText({ host, port }) }
    server.once('error', (cause) => reject(systemFailure(cause, failure)))
    server.listen(port, host, resolve)
  })
}
