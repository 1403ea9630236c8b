import type { CasConfig } from '../config/cas.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Blobs } from './blobs.ts'
import { openDisk } from './disk/disk.ts'
import type { Evictions } from './evictions.ts'
import { measuredBlobs, measuredResults } from './measured.ts'
import { createMemoryBlobs } from './memory/blobs.ts'
import { createMemoryResults } from './memory/results.ts'
import type { HolderFacts, Pins } from './pins.ts'
import type { Results } from './results.ts'
import { verified } from './verified.ts'

/** What a server has around it. */
export interface StoreContext {
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** The stores of a server; closing them releases what they hold. */
export interface Stores {
  readonly blobs: Blobs
  readonly results: Results
  /** What was evicted for lack of room; undefined where that is not known. */
  readonly evictions?: Evictions | undefined
  /** What is kept for builds while they run; undefined where nothing is. */
  readonly pins?: Pins | undefined
  close(): Promise<void>
}

/** What action results may take of a store in memory. */
const resultsShare = 1 / 16

/**
 * The stores that a configuration describes, behind their decorators.
 * @throws Failure when the disk store cannot be opened (see openDisk)
 */
export async function buildStores(
  config: CasConfig['store'],
  context: StoreContext,
  pinSilenceMs = 0,
): Promise<Stores> {
  const { metrics } = context
  const { blobs, results, evictions, pins, close } = await openBackend(config, context, pinSilenceMs)
  metrics.gauge('native_store_capacity_bytes', 'What the store may hold', [], () => config.size)
  return {
    blobs: measuredBlobs(verified(blobs), 'blobs', metrics),
    results: measuredResults(results, 'results', metrics),
    evictions,
    pins,
    close,
  }
}

async function openBackend(
  config: CasConfig['store'],
  { log, metrics, clock }: StoreContext,
  pinSilenceMs: number,
): Promise<Stores> {
  if (config.kind === 'disk') {
    const { path, size, durability } = config
    const disk = await openDisk({ path, bytesMax: size, durability, log, clock, pinSilenceMs })
    metrics.gauge('native_store_entries', 'Blobs and results in the store', [], disk.entries)
    metrics.gauge('native_store_stored_bytes', 'What the files of the store are long', [], disk.bytesStored)
    metrics.rows(
      'native_store_held_bytes',
      'The same by kind, and by how long ago it was written',
      ['kind', 'age'],
      () => disk.held().map(({ kind, age, bytes }) => ({ labels: { kind, age }, value: bytes })),
    )
    reportEvictions(disk.evictions, metrics)
    if (disk.pins) reportPins(disk.pins, metrics)
    return disk
  }
  const resultsMax = Math.floor(config.size * resultsShare)
  const blobs = createMemoryBlobs(config.size - resultsMax)
  const results = createMemoryResults(resultsMax)
  return {
    blobs,
    results,
    async close() {
      await blobs.close()
      await results.close()
    },
  }
}

function reportPins(pins: Pins, metrics: Metrics): void {
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge(name, help, [], read)
  gauge('native_store_pinned_bytes', 'What is kept for builds that run, on disk', () => pins.bytes)
  gauge('native_store_pinned_bytes_max', 'The most that is kept for builds', () => pins.bytesMax)
  gauge('native_store_pin_refusals', 'Uploads refused since the start because of what is kept', () => pins.refused)
  gauge('native_store_pins_without_room', 'Blobs that could not be kept since the start', () => pins.unheld)
  const rows = (name: string, help: string, value: (each: HolderFacts) => number) =>
    metrics.rows(name, help, ['invocation', 'client'], () =>
      pins.live().map((each) => ({
        labels: { invocation: each.invocation, client: each.client },
        value: value(each),
      })),
    )
  rows('native_store_pin_holder_bytes', 'What is kept for each build that runs', ({ bytes }) => bytes)
  rows('native_store_pin_holder_silent_seconds', 'Since its last call', ({ silentMs }) => silentMs / 1000)
}

function reportEvictions(evictions: Evictions, metrics: Metrics): void {
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge(name, help, [], read)
  gauge('native_store_evicted_values', 'Blobs and results evicted since the start', () => evictions.count)
  gauge('native_store_evicted_bytes', 'Bytes of blobs and results evicted since the start', () => evictions.bytes)
  gauge('native_store_evicted_values_last_hour', 'The same, within the last hour', () => evictions.lastHour().count)
  gauge('native_store_evicted_bytes_last_hour', 'Their bytes', () => evictions.lastHour().bytes)
  gauge(
    'native_store_evicted_youngest_seconds',
    'How long the youngest that was evicted in the last hour had not been used; NaN when all were older than an hour',
    () => (evictions.youngestIdleMs() ?? Number.NaN) / 1000,
  )
}
