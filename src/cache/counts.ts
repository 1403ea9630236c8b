import type { Metrics } from '../telemetry/metrics.ts'
import { Code, type Method, type Service } from '../wire/rpc.ts'
import { toRpcError } from '../wire/status.ts'

/** What the cache counts about its work. */
export interface Counts {
  /** What is to be called when a call of this method has ended. */
  calls(method: string): (code: Code) => void
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
  const codeNames = new Map<Code, string>(Object.entries(Code).map(([name, code]) => [code, name]))
  const bytesIn = bytes.of({ direction: 'in' })
  const bytesOut = bytes.of({ direction: 'out' })
  const actionHits = lookups.of({ kind: 'action', result: 'hit' })
  const actionMisses = lookups.of({ kind: 'action', result: 'miss' })
  const blobHits = lookups.of({ kind: 'blob', result: 'hit' })
  const blobMisses = lookups.of({ kind: 'blob', result: 'miss' })
  return {
    calls(method) {
      const ok = calls.of({ method, code: 'OK' })
      return (code) => {
        if (code === Code.OK) ok.add()
        else calls.inc({ method, code: codeNames.get(code) ?? 'UNKNOWN' })
      }
    },
    received: (count) => bytesIn.add(count),
    sent: (count) => bytesOut.add(count),
    action: (found) => (found ? actionHits : actionMisses).add(),
    blobs(found, missing) {
      blobHits.add(found)
      blobMisses.add(missing)
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
  const ended = counts.calls(name)
  async function around<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      const answer = await work()
      ended(Code.OK)
      return answer
    } catch (error) {
      const status = toRpcError(error)
      ended(status.code)
      throw status
    }
  }
  const { borrows = false } = method
  switch (method.kind) {
    case 'unary':
      return { kind: 'unary', borrows, handle: (request, call) => around(() => method.handle(request, call)) }
    case 'server-stream':
      return {
        kind: 'server-stream',
        borrows,
        handle: (request, call, send) => around(() => method.handle(request, call, send)),
      }
    case 'client-stream':
      return { kind: 'client-stream', borrows, handle: (requests, call) => around(() => method.handle(requests, call)) }
    case 'bidi':
      return {
        kind: 'bidi',
        borrows,
        handle: (requests, call, send) => around(() => method.handle(requests, call, send)),
      }
  }
}
