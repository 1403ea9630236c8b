import {
  type CacheUsage,
  type ChunkedUsage,
  heldAges,
  heldKinds,
  type Lookups,
  type PinUsage,
  type Stored,
} from '../core/cache-usage.ts'
import { type Samples, sumOf } from './samples.ts'

/** The kinds of lookups that the cache counts, by their metrics labels. */
const kinds = { actionResults: 'action', executions: 'execute', blobs: 'find_missing' } as const

/** The cache's own report; null if it does not answer, or belongs to a release without these metrics. */
export function cacheUsageOf(samples: Samples | undefined): CacheUsage | null {
  if (!samples) return null
  const stored = storedIn(samples, 'native_store_stored_bytes', 'native_store_capacity_bytes')
  if (stored.limitBytes === null) return null
  const lookups = (metric: string) => ({
    actionResults: lookupsOf(samples, metric, kinds.actionResults),
    executions: lookupsOf(samples, metric, kinds.executions),
    blobs: lookupsOf(samples, metric, kinds.blobs),
  })
  const evicted = (suffix: string) => {
    const count = sumOf(samples, `native_store_evicted_values${suffix}`)
    const bytes = sumOf(samples, `native_store_evicted_bytes${suffix}`)
    return count === undefined || bytes === undefined ? null : { count, bytes }
  }
  return {
    ...stored,
    entries: sumOf(samples, 'native_store_entries') ?? null,
    sinceStart: { ...lookups('native_cache_lookups_total'), evicted: evicted('') },
    lastHour: { ...lookups('native_cache_lookups_last_hour'), evicted: evicted('_last_hour') },
    evictedUnusedSeconds: sumOf(samples, 'native_store_evicted_youngest_seconds') ?? null,
    chunked: chunkedOf(samples),
    pins: pinsOf(samples),
    held: heldIn(samples),
    transferred: transferredIn(samples),
  }
}

function heldIn(samples: Samples): CacheUsage['held'] {
  const held = heldKinds.flatMap((kind) =>
    heldAges.flatMap((age) => {
      const bytes = sumOf(samples, 'native_store_held_bytes', { kind, age })
      return bytes === undefined ? [] : { kind, age, bytes }
    }),
  )
  return held.length > 0 ? held : null
}

function transferredIn(samples: Samples): CacheUsage['transferred'] {
  const bytes = (direction: string) => sumOf(samples, 'native_cache_blob_bytes_total', { direction })
  const [receivedBytes, sentBytes] = [bytes('in'), bytes('out')]
  return receivedBytes === undefined || sentBytes === undefined ? null : { receivedBytes, sentBytes }
}

function pinsOf(samples: Samples): PinUsage | null {
  const bytes = sumOf(samples, 'native_store_pinned_bytes')
  const bytesMax = sumOf(samples, 'native_store_pinned_bytes_max')
  const refused = sumOf(samples, 'native_store_pin_refusals')
  if (bytes === undefined || bytesMax === undefined || refused === undefined) return null
  const holders = samples
    .filter(({ name }) => name === 'native_store_pin_holder_bytes')
    .map(({ labels: { invocation = '', client = '' }, value }) => ({
      invocation,
      client,
      bytes: value,
      silentSeconds: sumOf(samples, 'native_store_pin_holder_silent_seconds', { invocation, client }) ?? 0,
    }))
  return { bytes, bytesMax, refused, holders: holders.toSorted((a, b) => b.bytes - a.bytes) }
}

function chunkedOf(samples: Samples): ChunkedUsage | null {
  const [blobs, bytes, sharedBytes] = ['blobs', 'bytes', 'shared_bytes'].map((what) =>
    sumOf(samples, `native_store_chunked_${what}_total`),
  )
  if (blobs === undefined || bytes === undefined || sharedBytes === undefined) return null
  return { blobs, bytes, sharedBytes }
}

/** Bytes from the metrics for used space and its limit. */
export function storedIn(samples: Samples, used: string, limit: string): Stored {
  return { usedBytes: sumOf(samples, used) ?? null, limitBytes: sumOf(samples, limit) ?? null }
}

function lookupsOf(samples: Samples, metric: string, kind: string): Lookups {
  const count = (result: string) => sumOf(samples, metric, { kind, result }) ?? 0
  return { hits: count('hit'), misses: count('miss') }
}
