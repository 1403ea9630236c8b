import { describe, expect, test } from 'vitest'
import { buildStores } from '../../src/store/build.ts'
import { measuredBlobs, measuredResults } from '../../src/store/measured.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { verified } from '../../src/store/verified.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { describeBlobs } from '../contract/blobs.ts'
import { describeResults } from '../contract/results.ts'
import { blobOf, readWhole } from '../fixture/blob.ts'
import { diskFolder } from '../fixture/disk.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'

describeBlobs('measured memory', {
  open: async (capacity) => measuredBlobs(verified(createMemoryBlobs(capacity)), 'blobs', createMetrics()),
})
describeResults('measured memory', {
  open: async (capacity) => measuredResults(createMemoryResults(capacity), 'results', createMetrics()),
})

describe('buildStores', () => {
  const context = () => ({ log: quietLog, metrics: createMetrics(), clock: manualClock() })

  test('of a memory configuration', async () => {
    const stores = await buildStores({ kind: 'memory', size: 1_000_000 }, context())
    const { digest, bytes } = blobOf('kept')
    await stores.blobs.put(digest, bytes)
    await expect(stores.blobs.put(digest, blobOf('other').bytes)).rejects.toMatchObject({ kind: 'invalid' })
    expect(await stores.blobs.findMissing([digest, blobOf('').digest])).toEqual([])
    await stores.results.put(digest, bytes)
    expect(await stores.results.get(digest)).toEqual(bytes)
    await stores.close()
  })
  test('of a disk configuration, which keeps what it has over a restart and says how much it is', async () => {
    const folder = diskFolder(1_000_000)
    const config = { kind: 'disk' as const, path: folder.path, size: 1_000_000, durability: 'power' as const }
    const { digest, bytes } = blobOf('kept')
    const first = await buildStores(config, context())
    await first.blobs.put(digest, bytes)
    await first.results.put(digest, bytes)
    await first.close()
    const around = context()
    const second = await buildStores(config, around)
    expect(await readWhole(await second.blobs.read(digest))).toEqual(bytes)
    expect(Buffer.from((await second.results.get(digest)) ?? []).toString()).toBe('kept')
    expect(await around.metrics.text()).toContain('native_store_entries 2')
    await second.close()
    folder.remove()
  })
})
