import { openDoor } from '../access/door.ts'
import { createAssets } from '../asset/services.ts'
import { createCache } from '../cache/services.ts'
import { assertCertificatesAsked } from '../config/access.ts'
import type { CasConfig } from '../config/cas.ts'
import { loadCertificates } from '../config/certificates.ts'
import { loadSecret } from '../config/secret.ts'
import { buildStores } from '../store/build.ts'
import type { Chunking } from '../store/chunks/functions.ts'
import { healthService } from '../wire/health.ts'
import { reflectionServices } from '../wire/reflection.ts'
import { sameUserOnly } from '../wire/same-user.ts'
import { listen } from '../wire/server.ts'
import { countedInstances, instanceNotes } from './instances.ts'
import { createReadiness } from './readiness.ts'
import { recordingFor } from './recording.ts'
import { roomNotes } from './room-notes.ts'
import type { Running, ServeContext } from './running.ts'
import { serverTlsOf } from './tls.ts'

function chunkingOf({ average, seed, rep_max: { min, horizon } }: CasConfig['chunking']): Chunking {
  return {
    fastCdc: { averageBytes: average, seed },
    repMaxCdc: { minBytes: min, horizonBytes: horizon },
  }
}

/** The content addressable storage, action cache and byte streams, over the configured store. */
export async function startCas(config: CasConfig, context: ServeContext): Promise<Running> {
  const { log } = context
  const secret = config.secret === undefined ? undefined : await loadSecret(config.secret)
  const ca = config.asset.ca === undefined ? undefined : await loadCertificates(config.asset.ca)
  const admit = config.private ? await sameUserOnly() : undefined
  const door = config.access && (await openDoor(config.access, { listen: config.listen, secret, ...context }))
  assertCertificatesAsked(config)
  const tls = await serverTlsOf(config.tls, config.listen, log)
  const stores = await buildStores(config.store, context, config.pins.silence)
  const instances = countedInstances(config.instances, context.metrics)
  const recording = recordingFor(config.console, secret, context)
  const {
    services: cacheServices,
    http,
    operationOf,
    holdings,
  } = createCache({
    blobs: stores.blobs,
    results: stores.results,
    evictions: stores.evictions,
    pins: stores.pins,
    instances,
    updateEnabled: config.action_cache.update,
    blobSizeMax: config.blob_size_max,
    chunking: chunkingOf(config.chunking),
    secret,
    recorder: recording?.recorder,
    ...context,
  })
  const assets = createAssets({
    cache: holdings,
    instances,
    fetchEnabled: config.asset.fetch === 'on',
    allow: config.asset.allow,
    timeouts: { defaultMs: config.asset.timeout.default, maxMs: config.asset.timeout.max },
    ca,
    ...context,
  })
  const services = [...cacheServices, ...assets.services]
  const readiness = createReadiness(services, true)
  try {
    const told = [...services, healthService(readiness)]
    const all = [...told, ...reflectionServices(told)]
    const server = await listen(all, { address: config.listen, log, admit, tls, door, http, operationOf })
    return {
      address: server.address,
      ready: readiness.ready,
      notes: () => [...instanceNotes(instances), ...roomNotes(stores.evictions)],
      async drain() {
        readiness.set(false)
        await server.drain(config.drain)
      },
      async close() {
        readiness.set(false)
        await server.close()
        await recording?.close()
        await assets.close()
        door?.close()
        await stores.close()
      },
    }
  } catch (error) {
    await recording?.close()
    await stores.close()
    throw error
  }
}
