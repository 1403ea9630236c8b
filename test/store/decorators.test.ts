import { describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { buildStores } from '../../src/store/build.ts'
import { existence } from '../../src/store/existence.ts'
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

describe('existence', () => {
  /** A real store that counts how often it is asked. */
  function counted(): { blobs: Blobs; asked: Digest[][] } {
    const inner = createMemoryBlobs(1_000_000)
    const asked: Digest[][] = []
    return {
      blobs: {
        ...inner,
        findMissing(digests) {
          asked.push([...digests])
          return inner.findMissing(digests)
        },
      },
      asked,
    }
  }
  const [a, b, c] = [blobOf('a'), blobOf('b'), blobOf('c')]

  test('asks only for what it has not lately seen', async () => {
    const clock = manualClock()
    const { blobs, asked } = counted()
    const store = existence(blobs, { clock, rememberMs: 1000, entriesMax: 10 })
    await store.put(a.digest, a.bytes)
    expect(await store.findMissing([a.digest, b.digest])).toEqual([b.digest])
    expect(await store.findMissing([a.digest])).toEqual([])
    expect(asked).toEqual([[b.digest]])
    clock.advance(1000)
    expect(await store.findMissing([a.digest])).toEqual([])
    expect(asked).toEqual([[b.digest], [a.digest]])
  })
  test('never remembers absence, and forgets what a read does not find', async () => {
    const { blobs, asked } = counted()
    const store = existence(blobs, { clock: manualClock(), rememberMs: 1000, entriesMax: 10 })
    expect(await store.findMissing([a.digest])).toEqual([a.digest])
    await store.put(a.digest, a.bytes)
    await blobs.delete(a.digest)
    expect(await store.get(a.digest)).toBeUndefined()
    expect(await store.findMissing([a.digest])).toEqual([a.digest])
    await store.put(a.digest, a.bytes)
    await store.delete(a.digest)
    expect(await store.findMissing([a.digest])).toEqual([a.digest])
    expect(asked).toHaveLength(3)
  })
  test('remembers a bounded number', async () => {
    const { blobs, asked } = counted()
    const store = existence(blobs, { clock: manualClock(), rememberMs: 1000, entriesMax: 2 })
    for (const { digest, bytes } of [a, b, c]) await store.put(digest, bytes)
    await store.findMissing([a.digest, b.digest, c.digest])
    expect(asked).toEqual([[a.digest]])
  })
  test('remembers what was written and read in pieces', async () => {
    const { blobs, asked } = counted()
    const store = existence(blobs, { clock: manualClock(), rememberMs: 1000, entriesMax: 2 })
    const writer = await store.write(a.digest)
    await writer.write(a.bytes)
    expect(writer.written).toBe(1)
    await writer.commit()
    expect(await readWhole(await store.read(a.digest))).toEqual(a.bytes)
    expect(await store.findMissing([a.digest])).toEqual([])
    expect(asked).toEqual([])
  })
})

test('measured counts operations, outcomes, bytes and failures', async () => {
  const metrics = createMetrics()
  const store = measuredBlobs(verified(createMemoryBlobs(1000)), 'blobs', metrics)
  const [here, gone] = [blobOf('here'), blobOf('gone')]
  await store.put(here.digest, here.bytes)
  await store.get(here.digest)
  await store.get(gone.digest)
  await store.findMissing([here.digest, gone.digest])
  await readWhole(await store.read(here.digest))
  await expect(store.put(here.digest, gone.bytes)).rejects.toMatchObject({ kind: 'invalid' })
  const text = await metrics.text()
  for (const line of [
    'native_store_lookups_total{store="blobs",outcome="hit"} 3',
    'native_store_lookups_total{store="blobs",outcome="miss"} 2',
    'native_store_bytes_total{store="blobs",direction="in"} 4',
    'native_store_bytes_total{store="blobs",direction="out"} 8',
    'native_store_failures_total{store="blobs",operation="put"} 1',
    'native_store_operation_seconds_count{store="blobs",operation="put"} 2',
  ])
    expect(text).toContain(line)
})

describe('buildStores', () => {
  const surroundings = () => ({ log: quietLog, metrics: createMetrics(), clock: manualClock() })

  test('of a memory configuration', async () => {
    const stores = await buildStores({ kind: 'memory', size: 1_000_000 }, surroundings())
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
    const first = await buildStores(config, surroundings())
    await first.blobs.put(digest, bytes)
    await first.results.put(digest, bytes)
    await first.close()
    const around = surroundings()
    const second = await buildStores(config, around)
    expect(await readWhole(await second.blobs.read(digest))).toEqual(bytes)
    expect(Buffer.from((await second.results.get(digest)) ?? []).toString()).toBe('kept')
    expect(await around.metrics.text()).toContain('native_store_entries 2')
    await second.close()
    folder.remove()
  })
})
