import type { CasConfig } from '../config/servers.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Blobs } from './blobs.ts'
import { openDisk } from './disk/disk.ts'
import { measuredBlobs, measuredResults } from './measured.ts'
import { createMemoryBlobs } from './memory/blobs.ts'
import { createMemoryResults } from './memory/results.ts'
import type { Results } from './results.ts'
import { verified } from './verified.ts'

/** What a server has around it. */
export interface StoreSurroundings {
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** The stores of a server; closing them releases what they hold. */
export interface Stores {
  readonly blobs: Blobs
  readonly results: Results
  close(): Promise<void>
}

/** What action results may take of a store in memory. */
const resultsShare = 1 / 16

/**
 * The stores that a configuration describes, behind their decorators.
 * @throws Failure when the disk store cannot be opened (see openDisk)
 */
export async function buildStores(config: CasConfig['store'], { log, metrics }: StoreSurroundings): Promise<Stores> {
  const { blobs, results, close } = await openBackend(config, log, metrics)
  return {
    blobs: measuredBlobs(verified(blobs), 'blobs', metrics),
    results: measuredResults(results, 'results', metrics),
    close,
  }
}

async function openBackend(config: CasConfig['store'], log: Log, metrics: Metrics): Promise<Stores> {
  if (config.kind === 'disk') {
    const { path, size, durability } = config
    const disk = await openDisk({ path, bytesMax: size, durability, log })
    metrics.gauge('native_store_stored_bytes', 'What the files of the store are long', [], disk.bytesStored)
    metrics.gauge('native_store_entries', 'Blobs and results in the store', [], disk.entries)
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
