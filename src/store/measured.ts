import type { Count, CounterMetric, Metrics } from '../telemetry/metrics.ts'
import type { Blobs, BlobWriter } from './blobs.ts'
import type { Results } from './results.ts'

/** Times one kind of operation, and counts its failures; `done` hears of successes within the time. */
type Meter = <T>(work: () => Promise<T>, done?: (result: T) => void) => Promise<T>

const secondsBuckets = [0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10]

/**
 * Counts and times every operation of a store of blobs, and the bytes that go in and out.
 * A write is timed at its commit only, a read at its opening: what lies between is the client's pace.
 */
export function measuredBlobs(inner: Blobs, store: string, metrics: Metrics): Blobs {
  const meter = createMeters(store, metrics)
  const { hits, misses } = createLookups(store, metrics)
  const bytesMoved = metrics.counter('native_store_bytes_total', 'Bytes of values moved', ['store', 'direction'])
  const bytesIn = bytesMoved.of({ store, direction: 'in' })
  const bytesOut = bytesMoved.of({ store, direction: 'out' })
  const finding = meter('findMissing')
  const getting = meter('get')
  const putting = meter('put')
  const puttingAll = meter('putAll')
  const refused = failuresIn(metrics).of({ store, operation: 'putAll' })
  const reading = meter('read')
  const writing = meter('write')
  const committing = meter('commit')
  const deleting = meter('delete')

  function countRead(bytes: Uint8Array | undefined): void {
    if (bytes) {
      hits.add()
      bytesOut.add(bytes.byteLength)
    } else misses.add()
  }

  return {
    findMissing: (digests, holder) =>
      finding(
        () => inner.findMissing(digests, holder),
        (missing) => {
          misses.add(missing.length)
          hits.add(Math.max(0, digests.length - missing.length))
        },
      ),
    locate: (fn, hash) => inner.locate(fn, hash),
    get: (digest, allocate) => getting(() => inner.get(digest, allocate), countRead),
    put: (digest, bytes) =>
      putting(
        () => inner.put(digest, bytes),
        () => bytesIn.add(bytes.byteLength),
      ),
    async putAll(blobs) {
      const outcomes = await puttingAll(() => inner.putAll(blobs))
      let bytes = 0
      for (const [at, blob] of blobs.entries())
        if (outcomes[at]?.status === 'fulfilled') bytes += blob.bytes.byteLength
        else refused.add()
      bytesIn.add(bytes)
      return outcomes
    },
    async read(digest, range, allocate) {
      const pieces = await reading(() => inner.read(digest, range, allocate))
      if (pieces) hits.add()
      else misses.add()
      return pieces && counted(pieces, bytesOut)
    },
    async write(digest) {
      return measuredWriter(await writing(() => inner.write(digest)), committing, bytesIn)
    },
    delete: (digest) => deleting(() => inner.delete(digest)),
    close: () => inner.close(),
  }
}

/** The same for a store of action results. */
export function measuredResults(inner: Results, store: string, metrics: Metrics): Results {
  const meter = createMeters(store, metrics)
  const { hits, misses } = createLookups(store, metrics)
  const getting = meter('get')
  const putting = meter('put')
  const deleting = meter('delete')
  return {
    locate: (fn, hash) => inner.locate(fn, hash),
    get: (action) =>
      getting(
        () => inner.get(action),
        (value) => (value ? hits : misses).add(),
      ),
    put: (action, value) => putting(() => inner.put(action, value)),
    delete: (action) => deleting(() => inner.delete(action)),
    close: () => inner.close(),
  }
}

function createLookups(store: string, metrics: Metrics): { readonly hits: Count; readonly misses: Count } {
  const lookups = metrics.counter('native_store_lookups_total', 'Lookups by outcome', ['store', 'outcome'])
  return { hits: lookups.of({ store, outcome: 'hit' }), misses: lookups.of({ store, outcome: 'miss' }) }
}

/** Makes a meter for each operation; its labels are looked up once. */
function createMeters(store: string, metrics: Metrics): (operation: string) => Meter {
  const seconds = metrics.histogram(
    'native_store_operation_seconds',
    'How long operations of a store take',
    ['store', 'operation'],
    secondsBuckets,
  )
  const failures = failuresIn(metrics)
  return (operation) => {
    const spread = seconds.of({ store, operation })
    return async (work, done) => {
      const start = performance.now()
      try {
        const result = await work()
        done?.(result)
        return result
      } catch (error) {
        failures.inc({ store, operation })
        throw error
      } finally {
        spread.observe((performance.now() - start) / 1000)
      }
    }
  }
}

function failuresIn(metrics: Metrics): CounterMetric {
  return metrics.counter('native_store_failures_total', 'Operations that failed', ['store', 'operation'])
}

function measuredWriter(inner: BlobWriter, committing: Meter, bytesIn: Count): BlobWriter {
  return {
    get written() {
      return inner.written
    },
    write: (chunk) => inner.write(chunk),
    async commit() {
      await committing(() => inner.commit())
      bytesIn.add(inner.written)
    },
    abort: () => inner.abort(),
  }
}

/** Passes the pieces on, and ends the inner reading whenever the outer one ends. */
function counted(pieces: AsyncIterable<Uint8Array>, bytesOut: Count): AsyncIterable<Uint8Array> {
  const inner = pieces[Symbol.asyncIterator]()
  const outer: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => outer,
    async next() {
      const result = await inner.next()
      if (!result.done) bytesOut.add(result.value.byteLength)
      return result
    },
    return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
  }
  return outer
}
