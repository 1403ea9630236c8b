import { createSemaphore, createSharedSemaphore } from '../core/semaphore.ts'
import type { Call, Method, Service } from '../wire/rpc.ts'
import { createAdmission } from './admission.ts'
import type { AssetContext, AssetOptions } from './context.ts'
import { createCounts } from './counts.ts'
import { fetchBlob, fetchDirectory } from './fetch.ts'
import { createFlights } from './flights.ts'
import { createNames } from './names.ts'
import { createOrigin } from './origin.ts'
import { pushBlob, pushDirectory } from './push.ts'

export type { AssetOptions } from './context.ts'

/** Concurrent downloads, each with a buffer of 1 MiB: for all clients, and per connection. */
const downloadsMax = 32
const downloadsMaxEach = 16
/** Archives that are turned into directories at once. */
const unpacksMax = 4
/** Downloads that run or wait their turn, some of them for callers that have left. */
const flightsMax = 1_000

export interface Assets {
  readonly services: readonly Service[]
  /** Ends all downloads; settles when the cache is no longer used. */
  close(): Promise<void>
}

/** The Remote Asset API: content by URI, pushed by clients or fetched from its origin. */
export function createAssets({ cache, allow, ca, log, metrics, ...options }: AssetOptions): Assets {
  const counts = createCounts(metrics)
  const origin = createOrigin(createAdmission(allow), ca)
  const context: AssetContext = {
    ...options,
    cache,
    counts,
    names: createNames(cache.results, log),
    flights: createFlights(options.clock, flightsMax),
    unpacking: createFlights(options.clock, flightsMax),
    unpackSemaphore: createSemaphore(unpacksMax),
    retriever: {
      cache,
      origin,
      semaphore: createSharedSemaphore(downloadsMax, downloadsMaxEach),
      received: counts.received,
    },
  }
  const { flights } = context
  metrics.gauge('native_asset_downloads', 'Downloads that run or wait for their turn.', [], () => flights.size)
  const services = [
    {
      name: 'build.bazel.remote.asset.v1.Fetch',
      methods: {
        FetchBlob: unary((request, call) => fetchBlob(context, request, call)),
        FetchDirectory: unary((request, call) => fetchDirectory(context, request, call)),
      },
    },
    {
      name: 'build.bazel.remote.asset.v1.Push',
      methods: {
        PushBlob: unary((request) => pushBlob(context, request)),
        PushDirectory: unary((request) => pushDirectory(context, request)),
      },
    },
  ]
  return {
    services,
    async close() {
      await context.unpacking.close()
      await flights.close()
    },
  }
}

function unary(handle: (request: Buffer, call: Call) => Promise<Uint8Array>): Method {
  return { kind: 'unary', handle }
}
