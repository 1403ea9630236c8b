import type { Metrics } from '../telemetry/metrics.ts'
import { Code, type Method, type Service } from '../wire/rpc.ts'
import { toRpcError } from '../wire/status.ts'

/** What the cache counts about its work. */
export interface Counts {
  /** A call has ended. */
  call(method: string, code: Code): void
  /** Bytes of blobs that clients sent, as they came (compressed ones compressed). */
  received(bytes: number): void
  /** Bytes of blobs that clients were sent. */
  sent(bytes: number): void
  /** Action results that were asked for and found, or not. */
  action(found: boolean): void
  /** Blobs that FindMissingBlobs and reads asked for and that were there, or not. */
  blobs(found: number, missing: number): void
}

/** Registers the cache's metrics. */
export function createCounts(metrics: Metrics): Counts {
  const calls = metrics.counter('native_cache_requests_total', 'Calls that have ended.', ['method', 'code'])
  const bytes = metrics.counter('native_cache_blob_bytes_total', 'Bytes of blobs on the wire.', ['direction'])
  const lookups = metrics.counter('native_cache_lookups_total', 'What was asked for, and whether it was there.', [
    'kind',
    'result',
  ])
  const codeNames = new Map(Object.entries(Code).map(([name, code]) => [code, name]))
  return {
    call: (method, code) => calls.inc({ method, code: codeNames.get(code) ?? 'UNKNOWN' }),
    received: (count) => bytes.inc({ direction: 'in' }, count),
    sent: (count) => bytes.inc({ direction: 'out' }, count),
    action: (found) => lookups.inc({ kind: 'action', result: found ? 'hit' : 'miss' }),
    blobs(found, missing) {
      if (found > 0) lookups.inc({ kind: 'blob', result: 'hit' }, found)
      if (missing > 0) lookups.inc({ kind: 'blob', result: 'miss' }, missing)
    },
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
  async function around<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      const answer = await work()
      counts.call(name, Code.OK)
      return answer
    } catch (error) {
      const status = toRpcError(error)
      counts.call(name, status.code)
      throw status
    }
  }
  switch (method.kind) {
    case 'unary':
      return { kind: 'unary', handle: (request, call) => around(() => method.handle(request, call)) }
    case 'server-stream':
      return {
        kind: 'server-stream',
        handle: (request, call, send) => around(() => method.handle(request, call, send)),
      }
    case 'client-stream':
      return { kind: 'client-stream', handle: (requests, call) => around(() => method.handle(requests, call)) }
    case 'bidi':
      return { kind: 'bidi', handle: (requests, call, send) => around(() => method.handle(requests, call, send)) }
  }
}
