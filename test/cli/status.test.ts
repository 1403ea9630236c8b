import { expect, onTestFinished, test, vi } from 'vitest'
import { toolsOf } from '../../src/cli/mcp/tools.ts'
import { statusText } from '../../src/cli/status.ts'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import type { CacheCounts } from '../../src/core/cache-usage.ts'

const status: ClusterStatus = {
  name: 'native',
  driver: 'process',
  version: '1.0.0',
  state: 'degraded',
  servers: [],
  addresses: null,
  joined: null,
  otherWorkers: null,
  cache: null,
  workerCaches: null,
  sandboxedWorkers: null,
  load: null,
  problems: ['worker \u001b[2Kone ended'],
  atLogin: null,
  keptData: null,
}

test('what others have written is shown without its control characters', () => {
  expect(statusText(status, 0, process.stdout)).toContain('! worker ?[2Kone ended')
})

test('an agent gets no colours, whatever the terminal is that it was started on', async () => {
  vi.stubEnv('FORCE_COLOR', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  expect(statusText(status, 0, process.stderr)).toContain('\u001b[33mdegraded')
  const tools = toolsOf({ addresses: () => Promise.reject(), status: async () => status, folder: '/' })
  const tool = tools.find(({ name }) => name === 'cluster_status')
  const answer = await tool?.ask({ text: () => undefined, integer: () => 0 }, new AbortController().signal)
  expect(answer?.text).toContain('Cluster "native" (process): degraded')
})

const server = {
  name: 'cas',
  role: 'cas',
  state: 'ready',
  address: '127.0.0.1:50051',
  metrics: null,
  id: '7',
  restarts: 0,
  since: 0,
  version: '0.9.0',
  notes: [],
} as const

const counts = (hits: number, misses: number): CacheCounts => ({
  actionResults: { hits, misses },
  executions: { hits: 0, misses: 0 },
  blobs: { hits: 1, misses: 1 },
  evicted: { count: 2, bytes: 2048 },
})

const full: ClusterStatus = {
  ...status,
  servers: [server],
  cache: {
    usedBytes: 1024 ** 3,
    limitBytes: 4 * 1024 ** 3,
    entries: 1,
    sinceStart: counts(1999, 1),
    lastHour: counts(0, 0),
    evictedUnusedSeconds: null,
    chunked: { blobs: 2, bytes: 3 * 1024 ** 2, sharedBytes: 1024 ** 2 },
    pins: {
      bytes: 5 * 1024 ** 2,
      bytesMax: 3 * 1024 ** 3,
      refused: 1,
      holders: [
        { invocation: 'inv-1', client: '10.0.0.7', bytes: 4 * 1024 ** 2, silentSeconds: 3 },
        { invocation: 'inv\u001b-2', client: '10.0.0.8', bytes: 2 * 1024 ** 2, silentSeconds: 90 },
      ],
    },
    held: [{ kind: 'small_blob', age: 'hour', bytes: 512 }],
    transferred: { receivedBytes: 10, sentBytes: 20 },
  },
  workerCaches: { usedBytes: 0, limitBytes: 1024, workers: 2 },
  sandboxedWorkers: 0,
  load: { queued: 1200, running: 3, workers: 1, slots: 4, sinceStart: { ended: 7, cached: 2 } },
}

const lines = (given: ClusterStatus) => statusText(given, 7_200_000, process.stdout).split('\n')

test('what the caches hold, how often it was there, and who is of another release', () => {
  const text = lines(full)
  expect(text).toContain('Version          1.0.0, but cas 0.9.0')
  expect(text).toContain('Actions          1,200 waiting, 3 of 4 slots busy on 1 worker')
  expect(text).toContain('Cache            1.0 GiB of 4.0 GiB (25 %), 1 blob or action result')
  expect(text).toContain('In chunks        2 blobs of 3.0 MiB, 1.0 MiB of that shared')
  const kept = text.findIndex((line) => line.startsWith('Kept for builds'))
  expect(text.slice(kept, kept + 3)).toEqual([
    'Kept for builds  5.0 MiB of at most 3.0 GiB, 1 upload refused',
    '                 4.0 MiB by inv-1 (10.0.0.7, silent for 3 s)',
    expect.stringContaining('2.0 MiB by inv?-2 ('),
  ])
  expect(text).toContain("Workers' caches  0 B of 1.0 KiB (0 %) on 2 workers")
  expect(text).toContain('Sandbox          none: actions see all that their worker sees')
  expect(text).toContain('action results found   none asked for  99 % of 2,000')
  expect(text).toContain('blobs that were there  50 % of 2       50 % of 2')
  expect(text).toContain('evicted                2 (2.0 KiB)     2 (2.0 KiB)')
})

test('what is kept for builds is shown once it is much', () => {
  const { cache } = full
  if (!cache?.pins) throw new Error('the status of the test keeps something')
  const { pins } = cache
  const kept = (bytes: number) => lines({ ...full, cache: { ...cache, pins: { ...pins, refused: 0, bytes } } }).join()
  expect(kept(pins.bytesMax / 9)).toContain('Kept for builds')
  expect(kept(pins.bytesMax / 11)).not.toContain('Kept for builds')
})

test('a server that tells no numbers is shown without them', () => {
  expect(lines({ ...full, cache: null, workerCaches: null }).join('\n')).not.toMatch(/Cache|found|evicted/)
})

test.each([
  ['enabled', /^Comes up when you log in: \/u$/m],
  ['disabled', /^Does not come up .*not enabled: \/u$/m],
  ['stale', /^Does not come up .*another program.*: \/u$/m],
] as const)('what happens at log-in is told: %s', (state, line) => {
  expect(statusText({ ...status, atLogin: { unit: '/u', state } }, 0, process.stdout)).toMatch(line)
})
