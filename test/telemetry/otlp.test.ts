import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createSpanExporter, type Span, tracesUrl } from '../../src/telemetry/otlp.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'

/** The machine may be slow. */
const patience = { timeout: 30_000 }

interface Request {
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: { resourceSpans: { resource: object; scopeSpans: { scope: object; spans: { name: string }[] }[] }[] }
}

/** A collector on this machine, and an exporter to it; what it answers can be changed. */
async function open() {
  const requests: Request[] = []
  const answer = { status: 200, headers: {}, isSilent: false }
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { url, headers } = request
      requests.push({ url, headers, body: JSON.parse(Buffer.concat(parts).toString()) })
      if (!answer.isSilent) response.writeHead(answer.status, answer.headers).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const clock = manualClock()
  const metrics = createMetrics()
  const { port } = server.address() as AddressInfo
  const exporter = createSpanExporter({
    endpoint: `http://127.0.0.1:${port}`,
    headers: { 'x-token': 'secret' },
    service: 'native-scheduler',
    version: '1.2.3',
    clock,
    log: quietLog,
    metrics,
  })
  const count = async (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await metrics.text())?.[1])
  return {
    ...{ requests, answer, server, clock, exporter },
    sent: () => count('native_traces_sent_total'),
    dropped: () => count('native_traces_dropped_total'),
    names: () =>
      requests.map(({ body }) =>
        body.resourceSpans.flatMap(({ scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)),
        ),
      ),
  }
}

const span = (name: string, more: Partial<Span> = {}): Span => ({
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  name,
  start: 1_700_000_000_000.25,
  end: 1_700_000_001_000,
  attributes: {},
  ...more,
})

test('spans go together, in the JSON of OTLP', async () => {
  const { exporter, clock, requests, sent } = await open()
  const attributes = { text: 'a', whole: 7, part: 0.5, yes: true }
  exporter.add(span('run', { parentSpanId: '00f067aa0ba902b7', attributes, error: 'exit code 1' }))
  exporter.add(span('build'))
  clock.advance(1_000)
  await vi.waitFor(async () => expect(await sent()).toBe(2), patience)
  expect(requests).toHaveLength(1)
  expect(requests[0]).toMatchObject({
    url: '/v1/traces',
    headers: { 'content-type': 'application/json', 'x-token': 'secret' },
  })
  expect(requests[0]?.body).toEqual({
    resourceSpans: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: 'native-scheduler' } },
            { key: 'service.version', value: { stringValue: '1.2.3' } },
          ],
        },
        scopeSpans: [
          {
            scope: { name: 'native', version: '1.2.3' },
            spans: [
              {
                traceId: '0af7651916cd43dd8448eb211c80319c',
                spanId: 'b7ad6b7169203331',
                parentSpanId: '00f067aa0ba902b7',
                name: 'run',
                kind: 1,
                startTimeUnixNano: '1700000000000250000',
                endTimeUnixNano: '1700000001000000000',
                attributes: [
                  { key: 'text', value: { stringValue: 'a' } },
                  { key: 'whole', value: { intValue: '7' } },
                  { key: 'part', value: { doubleValue: 0.5 } },
                  { key: 'yes', value: { boolValue: true } },
                ],
                status: { code: 2, message: 'exit code 1' },
              },
              {
                traceId: '0af7651916cd43dd8448eb211c80319c',
                spanId: 'b7ad6b7169203331',
                name: 'build',
                kind: 1,
                startTimeUnixNano: '1700000000000250000',
                endTimeUnixNano: '1700000001000000000',
                attributes: [],
              },
            ],
          },
        ],
      },
    ],
  })
})

test('a collector that is busy gets the same again, when it says', async () => {
  const { exporter, clock, requests, sent, answer, names } = await open()
  answer.status = 503
  answer.headers = { 'retry-after': '3' }
  exporter.add(span('one'))
  clock.advance(1_000)
  await vi.waitFor(() => expect(requests).toHaveLength(1), patience)
  answer.status = 200
  // The answer has to be read before its time begins; then it is sent once, not sooner.
  await vi.waitFor(() => {
    clock.advance(1_000)
    expect(requests).toHaveLength(2)
  }, patience)
  await vi.waitFor(async () => expect(await sent()).toBe(1), patience)
  expect(names()).toEqual([['one'], ['one']])
})

test('what a collector refuses is lost, counted, and not sent again', async () => {
  const { exporter, clock, requests, dropped, answer, sent, names } = await open()
  answer.status = 400
  exporter.add(span('bad'))
  clock.advance(1_000)
  await vi.waitFor(async () => expect(await dropped()).toBe(1), patience)
  answer.status = 200
  exporter.add(span('good'))
  await vi.waitFor(() => {
    clock.advance(1_000)
    expect(requests).toHaveLength(2)
  }, patience)
  await vi.waitFor(async () => expect(await sent()).toBe(1), patience)
  expect(names()).toEqual([['bad'], ['good']])
})

test('while a collector is away spans wait up to a bound; beyond it they are dropped and counted', async () => {
  const { exporter, clock, server, dropped } = await open()
  server.close()
  server.closeAllConnections()
  for (let each = 0; each < 9_000; each += 1) exporter.add(span(`s${each}`))
  expect(await dropped()).toBe(9_000 - 8_192)
  clock.advance(1_000)
  await exporter.close()
})

test('what waits at the end is sent once more', async () => {
  const { exporter, names } = await open()
  exporter.add(span('last'))
  await exporter.close()
  expect(names()).toEqual([['last']])
})

test('all that waits at the end is sent, and what is not is counted', async () => {
  const { exporter, sent, dropped, requests } = await open()
  for (let each = 0; each < 1_200; each += 1) exporter.add(span(`s${each}`))
  await exporter.close()
  expect([await sent(), await dropped(), requests.length]).toEqual([1_200, 0, 3])
  const other = await open()
  other.answer.status = 503
  for (let each = 0; each < 1_200; each += 1) other.exporter.add(span(`s${each}`))
  await other.exporter.close()
  expect([await other.sent(), await other.dropped(), other.requests.length]).toEqual([0, 1_200, 1])
})

test('a collector that does not answer is waited for no longer than 2 s at the end', async () => {
  const { exporter, clock, dropped, requests, answer } = await open()
  answer.isSilent = true
  exporter.add(span('last'))
  clock.advance(1_000)
  await vi.waitFor(() => expect(requests).toHaveLength(1), patience)
  const closed = exporter.close()
  clock.advance(2_000)
  await closed
  expect(await dropped()).toBe(1)
})

test('the path of traces is added to an endpoint that lacks it', () => {
  expect(tracesUrl('http://localhost:4318')).toBe('http://localhost:4318/v1/traces')
  expect(tracesUrl('https://otlp.example.com/otlp/')).toBe('https://otlp.example.com/otlp/v1/traces')
  expect(tracesUrl('https://otlp.example.com/v1/traces')).toBe('https://otlp.example.com/v1/traces')
})
