import { cacheServices } from '../cache/services.ts'
import type { CasConfig } from '../config/servers.ts'
import { buildStores } from '../store/build.ts'
import { healthService } from '../wire/health.ts'
import { listen } from '../wire/server.ts'
import { createReadiness } from './readiness.ts'
import type { Running, Surroundings } from './running.ts'

/** The content addressable storage, action cache and byte streams, over the configured store. */
export async function startCas(config: CasConfig, surroundings: Surroundings): Promise<Running> {
  const { log } = surroundings
  const stores = await buildStores(config.store, surroundings)
  const services = cacheServices({
    blobs: stores.blobs,
    results: stores.results,
    instances: new Set(config.instances),
    updateEnabled: config.action_cache.update,
    blobSizeMax: config.blob_size_max,
    ...surroundings,
  })
  const readiness = createReadiness(
    services.map((each) => each.name),
    true,
  )
  try {
    const server = await listen([...services, healthService(readiness)], { address: config.listen, log })
    return {
      address: server.address,
      ready: readiness.ready,
      async drain() {
        readiness.set(false)
        await server.drain(config.drain)
      },
      async close() {
        readiness.set(false)
        await server.close()
        await stores.close()
      },
    }
  } catch (error) {
    await stores.close()
    throw error
  }
}
