import { createServer, type RequestListener } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { askWeb } from '../../src/telemetry/ask-web.ts'

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
}

test('an answer comes with its status', async () => {
  const address = await serving((request, response) => response.writeHead(503).end(`not ready ${request.url}\n`))
  expect(await askWeb(address, '/healthz', 5_000)).toEqual({ status: 503, text: 'not ready /healthz\n' })
})

test.each<[string, RequestListener]>([
  ['says nothing', () => undefined],
  ['stops in the middle', (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('half')],
  ['hangs up', (request) => request.socket.destroy()],
  ['says far too much', (_, response) => void response.end('x'.repeat(5 * 1024 * 1024))],
])('one that %s is no answer', async (_, listener) => {
  expect(await askWeb(await serving(listener), '/metrics', 300)).toBeUndefined()
})

test('nor is a port at which nobody listens', async () => {
  expect(await askWeb('127.0.0.1:9', '/metrics', 5_000)).toBeUndefined()
})
