import type { Metrics } from '../telemetry/metrics.ts'
import type { Blobs, BlobWriter } from './blobs.ts'
import type { Results } from './results.ts'

/** Counts and times what one operation does. */
type Meter = <T>(operation: string, work: () => Promise<T>) => Promise<T>
type CountBytes = (direction: 'in' | 'out', bytes: number) => void

const secondsBuckets = [0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10]

/**
 * Counts and times every operation of a store of blobs, and the bytes that go in and out.
 * A write is timed at its commit only, a read at its opening: what lies between is the client's pace.
 */
export function measuredBlobs(inner: Blobs, store: string, metrics: Metrics): Blobs {
  const meter = createMeter(store, metrics)
  const lookups = metrics.counter('native_store_lookups_total', 'Lookups by outcome', ['store', 'outcome'])
  const bytesMoved = metrics.counter('native_store_bytes_total', 'Bytes of values moved', ['store', 'direction'])
  const count: CountBytes = (direction, bytes) => bytesMoved.inc({ store, direction }, bytes)
  const found = (outcome: 'hit' | 'miss', by = 1) => by > 0 && lookups.inc({ store, outcome }, by)

  return {
    async findMissing(digests) {
      const missing = await meter('findMissing', () => inner.findMissing(digests))
      found('miss', missing.length)
      found('hit', Math.max(0, digests.length - missing.length))
      return missing
    },
    async get(digest) {
      const bytes = await meter('get', () => inner.get(digest))
      found(bytes ? 'hit' : 'miss')
      if (bytes) count('out', bytes.byteLength)
      return bytes
    },
    async put(digest, bytes) {
      await meter('put', () => inner.put(digest, bytes))
      count('in', bytes.byteLength)
    },
    async read(digest, range) {
      const pieces = await meter('read', () => inner.read(digest, range))
      found(pieces ? 'hit' : 'miss')
      return pieces && counted(pieces, count)
    },
    async write(digest) {
      return measuredWriter(await meter('write', () => inner.write(digest)), meter, count)
    },
    delete: (digest) => meter('delete', () => inner.delete(digest)),
    close: () => inner.close(),
  }
}

/** The same for a store of action results. */
export function measuredResults(inner: Results, store: string, metrics: Metrics): Results {
  const meter = createMeter(store, metrics)
  const lookups = metrics.counter('native_store_lookups_total', 'Lookups by outcome', ['store', 'outcome'])
  return {
    async get(action) {
      const value = await meter('get', () => inner.get(action))
      lookups.inc({ store, outcome: value ? 'hit' : 'miss' })
      return value
    },
    put: (action, value) => meter('put', () => inner.put(action, value)),
    delete: (action) => meter('delete', () => inner.delete(action)),
    close: () => inner.close(),
  }
}

function createMeter(store: string, metrics: Metrics): Meter {
  const seconds = metrics.histogram(
    'native_store_operation_seconds',
    'How long operations of a store take',
    ['store', 'operation'],
    secondsBuckets,
  )
  const failures = metrics.counter('native_store_failures_total', 'Operations that failed', ['store', 'operation'])
  return async (operation, work) => {
    const start = performance.now()
    try {
      return await work()
    } catch (error) {
      failures.inc({ store, operation })
      throw error
    } finally {
      seconds.observe((performance.now() - start) / 1000, { store, operation })
    }
  }
}

function measuredWriter(inner: BlobWriter, meter: Meter, count: CountBytes): BlobWriter {
  return {
    get written() {
      return inner.written
    },
    write: (chunk) => inner.write(chunk),
    async commit() {
      await meter('commit', () => inner.commit())
      count('in', inner.written)
    },
    abort: () => inner.abort(),
  }
}

/** Passes the pieces on, and ends the inner reading whenever the outer one ends. */
function counted(pieces: AsyncIterable<Uint8Array>, count: CountBytes): AsyncIterable<Uint8Array> {
  const inner = pieces[Symbol.asyncIterator]()
  const outer: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => outer,
    async next() {
      const result = await inner.next()
      if (!result.done) count('out', result.value.byteLength)
      return result
    },
    return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
  }
  return outer
}
