import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/failure.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** A span of a trace (opentelemetry-proto, trace/v1/trace.proto), with only the fields used here. */
export interface Span {
  /** 16 and 8 bytes, in lower-case hexadecimal. */
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  /** Milliseconds since 1970. */
  readonly start: number
  readonly end: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  /** Why the operation failed; absent if it did not. */
  readonly error?: string
}

export interface OtlpOptions {
  /** A collector's address, such as http://localhost:4318; the path for traces is appended. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  /** The service name: `native-scheduler`. */
  readonly service: string
  readonly version: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** For tests; fetch if absent. */
  readonly send?: typeof fetch
}

/** Sends spans to a collector in batches; nobody waits for it. */
export interface SpanExporter {
  add(span: Span): void
  /** Sends pending spans, once; settles when they have arrived or after 2 s. The rest are dropped and counted. */
  close(): Promise<void>
}

const tracesPath = '/v1/traces'
/** Pending spans, some 5 MB; further ones are dropped and counted. */
const waitingMax = 8_192
const batchMax = 512
/** How long a span waits for others to be sent with, in milliseconds. */
const batchMs = 1_000
const sendMsMax = 10_000
const closeMsMax = 2_000
/** The first retry delay; it grows with each consecutive failure. */
const retryMsMin = 1_000
const retryMsMax = 60_000
/** The statuses on which a batch may be retried (OTLP specification, "OTLP/HTTP Response"); on any other it is lost. */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * An exporter for OTLP/HTTP with JSON: a few lines over Node's fetch, while the OpenTelemetry SDK is twenty packages,
 * most of them for things not needed here (context, instrumentation, samplers).
 */
export function createSpanExporter(options: OtlpOptions): SpanExporter {
  const { clock, log, metrics, send = fetch } = options
  const url = tracesUrl(options.endpoint)
  const sent = metrics.counter('native_traces_sent_total', 'Spans that the collector has taken.').of({})
  const dropped = metrics.counter('native_traces_dropped_total', 'Spans that it has not.').of({})
  let waiting: Span[] = []
  let sending: Promise<void> | undefined
  let cancel: () => void = () => undefined
  let failures = 0
  let isClosed = false
  const ending = new AbortController()

  function later(ms: number): void {
    if (sending || isClosed || waiting.length === 0) return
    cancel()
    cancel = clock.after(ms, flush)
  }

  function flush(): void {
    if (sending) return
    const batch = waiting.slice(0, batchMax)
    sending = deliver(batch).then((retryMs) => {
      sending = undefined
      // Only the newest were dropped meanwhile, so these are still the first.
      if (retryMs === undefined) waiting = waiting.slice(batch.length)
      later(retryMs ?? (waiting.length >= batchMax ? 0 : batchMs))
    })
  }

  /** @returns the delay in milliseconds before it may be retried; undefined when it is done with */
  async function deliver(batch: readonly Span[]): Promise<number | undefined> {
    try {
      const response = await send(url, {
        method: 'POST',
        headers: { ...options.headers, 'content-type': 'application/json' },
        body: JSON.stringify(requestOf(batch, options)),
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(sendMsMax), ending.signal]),
      })
      // Read to the end, so that the connection can be reused.
      await response.arrayBuffer()
      if (response.ok) return done(batch)
      if (!retryable.has(response.status)) return lost(batch, `it answers ${response.status}`)
      return retryMs(`it answers ${response.status}`, Number(response.headers.get('retry-after')) * 1000)
    } catch (error) {
      return retryMs(messageOf(error instanceof Error && error.cause ? error.cause : error), 0)
    }
  }

  function done(batch: readonly Span[]): undefined {
    if (failures > 0) log.info('traces arrive again')
    failures = 0
    sent.add(batch.length)
  }

  function lost(batch: readonly Span[], reason: string): undefined {
    tell(reason)
    dropped.add(batch.length)
  }

  function retryMs(reason: string, askedMs: number): number {
    tell(reason)
    const usual = Math.min(retryMsMin * 2 ** Math.min(failures - 1, 10), retryMsMax)
    return askedMs > 0 ? Math.min(askedMs, retryMsMax) : usual
  }

  /** Logged once, until it works again. */
  function tell(reason: string): void {
    failures += 1
    if (failures === 1) log.warn('traces do not arrive', { endpoint: url, reason })
  }

  return {
    add(span) {
      if (isClosed || waiting.length >= waitingMax) return dropped.add()
      waiting.push(span)
      if (waiting.length === 1) later(batchMs)
    },
    async close() {
      isClosed = true
      cancel()
      const stop = clock.after(closeMsMax, () => ending.abort())
      await sending
      while (waiting.length > 0 && failures === 0) {
        // An attempt that fails counts as a failure; the batch stays.
        if ((await deliver(waiting.slice(0, batchMax))) === undefined) waiting = waiting.slice(batchMax)
      }
      stop()
      dropped.add(waiting.length)
      waiting = []
    },
  }
}

/** A collector's address for traces, whether or not it has a path of its own. */
export function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint)
  if (!url.pathname.endsWith(tracesPath)) url.pathname = url.pathname.replace(/\/$/, '') + tracesPath
  return url.href
}

/** SPAN_KIND_INTERNAL and STATUS_CODE_ERROR. */
const kindInternal = 1
const statusError = 2

/** An ExportTraceServiceRequest as OTLP JSON: ids in hexadecimal, enumerations and 64-bit numbers as in the mapping. */
function requestOf(spans: readonly Span[], { service, version }: Pick<OtlpOptions, 'service' | 'version'>): object {
  const resource = { attributes: attributesOf({ 'service.name': service, 'service.version': version }) }
  return {
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'native', version }, spans: spans.map(wireSpan) }] }],
  }
}

function wireSpan({ traceId, spanId, parentSpanId, name, start, end, attributes, error }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name,
    kind: kindInternal,
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: attributesOf(attributes),
    ...(error !== undefined && { status: { code: statusError, message: error } }),
  }
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n)
}

function attributesOf(attributes: Span['attributes']): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))
}

function anyValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}
