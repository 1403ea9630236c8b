import { expect, test } from 'vitest'
import { type CacheUsage, heldAges, heldKinds } from '../../src/core/cache-usage.ts'
import { cachePage } from '../../src/page/cache.ts'

const nothing = { hits: 0, misses: 0 }
const counts = { actionResults: nothing, executions: nothing, blobs: nothing, evicted: null }
const mib = 1024 ** 2
const usage: CacheUsage = {
  ...{ usedBytes: 7 * mib, limitBytes: 40 * mib, entries: 3, evictedUnusedSeconds: null, chunked: null, pins: null },
  ...{ sinceStart: counts, lastHour: counts, transferred: null },
  held: heldKinds.flatMap((kind) =>
    heldAges.map((age) => ({ kind, age, bytes: kind === 'large_blob' ? (age === 'hour' ? 2 : 1) * mib : 0 })),
  ),
}

const shown = (given: CacheUsage) =>
  cachePage({ usage: given, builds: [], answers: new Map(), answersOf: 20 }, 1_000_000).replaceAll(/<[^>]*>/g, ' ')

test('what the cache holds is a table by kind and by age', () => {
  expect(shown(usage)).toMatch(/Kind\s+Last hour\s+Last day\s+Last week\s+Before\s+All/)
  expect(shown(usage)).toMatch(/Large blobs\s+2\.0 MiB\s+1\.0 MiB\s+1\.0 MiB\s+1\.0 MiB\s+5\.0 MiB/)
})

test('a store in memory does not tell it', () => {
  expect(shown({ ...usage, held: null })).not.toContain('Large blobs')
})
