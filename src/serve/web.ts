import type { Server } from 'node:http'
import { hostPortText, parseHostPort } from '../core/address.ts'
import { messageOf } from '../core/failure.ts'

// An import statement of node:http loads undici as well: 40 ms of processor time at each server's start.
const { createServer } = process.getBuiltinModule('node:http')

export interface WebOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** The metrics in Prometheus' text format. */
  metricsText(): Promise<string>
  /** False while it starts or drains. */
  ready(): boolean
}

export interface Web {
  readonly address: string
  close(): Promise<void>
}

/** Serves GET /metrics and GET /healthz (200 when ready, 503 otherwise) for machines that watch. */
export async function startWeb(options: WebOptions): Promise<Web> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end()
    else if (path === '/healthz')
      response.writeHead(options.ready() ? 200 : 503).end(options.ready() ? 'ok\n' : 'not ready\n')
    else if (path === '/metrics')
      options.metricsText().then(
        (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text),
        (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
      )
    else response.writeHead(404).end()
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

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
}
