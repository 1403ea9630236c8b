import type { Clock } from '../core/clock.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import { Code, type Method, type Service } from '../wire/rpc.ts'
import { toRpcError } from '../wire/status.ts'

/**
 * action: GetActionResult, as clients ask. execute: the same, as the scheduler asks for an Execute; most of its clients
 * have asked themselves just before, so that the two cannot be added up. find_missing: each digest of a
 * FindMissingBlobs. read: each blob that is read. object: what a tool asks for under a key of its own, over HTTP.
 */
export type LookupKind = (typeof lookupKinds)[number]
const lookupKinds = ['action', 'execute', 'find_missing', 'read', 'object'] as const

/** What the cache counts about its work. */
export interface Counts {
  /** @returns to be called when a call of this method has ended */
  calls(method: string): (code: Code) => void
  /** Bytes of blobs that clients sent, as they came (compressed ones compressed). */
  received(bytes: number): void
  /** Bytes of blobs that clients were sent. */
  sent(bytes: number): void
  /** One of these lookups: so many were there, and so many not. */
  lookups(kind: LookupKind, hits: number, misses: number): void
  /** What is to be called when a request of HTTP has its answer. @param tool whose protocol it is */
  http(tool: string, method: string, status: number): void
}

/** Registers the cache's metrics. */
export function createCounts(metrics: Metrics, clock: Clock): Counts {
  const calls = metrics.counter('native_cache_requests_total', 'Calls that have ended.', ['method', 'code'])
  const bytes = metrics.counter('native_cache_blob_bytes_total', 'Bytes of blobs on the wire.', ['direction'])
  const requests = metrics.counter('native_cache_http_requests_total', 'Requests of HTTP/1.1 that have ended.', [
    'tool',
    'method',
    'status',
  ])
  const codeNames = new Map<Code, string>(Object.entries(Code).map(([name, code]) => [code, name]))
  const bytesIn = bytes.of({ direction: 'in' })
  const bytesOut = bytes.of({ direction: 'out' })
  return {
    calls(method) {
      const known = new Map<Code, Count>()
      // Labels are looked up once for each: a miss of the action cache, NOT_FOUND, is as frequent as a hit.
      const counterOf = (code: Code) => {
        const counter = known.get(code) ?? calls.of({ method, code: codeNames.get(code) ?? 'UNKNOWN' })
        known.set(code, counter)
        return counter
      }
      counterOf(Code.OK)
      return (code) => counterOf(code).add()
    },
    received: (count) => bytesIn.add(count),
    sent: (count) => bytesOut.add(count),
    http: (tool, method, status) => requests.inc({ tool, method, status: String(status) }),
    lookups: createLookups(metrics, clock),
  }
}

/** Counts lookups since the start, and within the last hour. */
function createLookups(metrics: Metrics, clock: Clock): Counts['lookups'] {
  const labels = ['kind', 'result']
  const total = metrics.counter('native_cache_lookups_total', 'What was asked for, and whether it was there.', labels)
  const recent = metrics.lastHour('native_cache_lookups_last_hour', 'The same, within the last hour.', labels, clock)
  const counter = (kind: LookupKind, result: 'hit' | 'miss') => {
    const [sinceStart, lastHour] = [total.of({ kind, result }), recent.of({ kind, result })]
    return (by: number) => {
      sinceStart.add(by)
      lastHour.add(by)
    }
  }
  const byKind = new Map(lookupKinds.map((kind) => [kind, { hit: counter(kind, 'hit'), miss: counter(kind, 'miss') }]))
  return (kind, hits, misses) => {
    const count = byKind.get(kind)
    // Nearly all lookups are one or the other, and each count asks for the time.
    if (hits > 0) count?.hit(hits)
    if (misses > 0) count?.miss(misses)
  }
}

/** The same service, its calls counted. */
export function counted(service: Service, counts: Counts): Service {
  const methods = Object.entries(service.methods).map(([name, method]): [string, Method] => [
    name,
    countedMethod(name, method, counts),
  ])
  return { name: service.name, methods: Object.fromEntries(methods) }
}

function countedMethod(name: string, method: Method, counts: Counts): Method {
  const ended = counts.calls(name)
  function succeeded<T>(answer: T): T {
    ended(Code.OK)
    return answer
  }
  function failed(error: unknown): never {
    const status = toRpcError(error)
    ended(status.code)
    throw status
  }
  /** What is answered at once stays so: a promise costs as much as the shortest of calls. */
  function answered<T>(answer: () => T | Promise<T>): T | Promise<T> {
    let result: T | Promise<T>
    try {
      result = answer()
    } catch (error) {
      return failed(error)
    }
    return result instanceof Promise ? result.then(succeeded, failed) : succeeded(result)
  }
  const { kind: _kind, handle: _handle, ...traits } = method
  switch (method.kind) {
    case 'unary':
      return { kind: 'unary', ...traits, handle: (request, call) => answered(() => method.handle(request, call)) }
    case 'server-stream':
      return {
        kind: 'server-stream',
        ...traits,
        handle: (request, call, send) => method.handle(request, call, send).then(succeeded, failed),
      }
    case 'client-stream':
      return {
        kind: 'client-stream',
        ...traits,
        handle: (requests, call) => method.handle(requests, call).then(succeeded, failed),
      }
    case 'bidi':
      return {
        kind: 'bidi',
        ...traits,
        handle: (requests, call, send) => method.handle(requests, call, send).then(succeeded, failed),
      }
  }
}
