import { expect, test } from 'vitest'
import { loadOf, sandboxedOf, versionIn, versionNotes, workerCachesOf } from '../../../src/cluster/shared/usage.ts'
import { cacheUsageOf } from '../../../src/telemetry/cache-usage.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { labelOf, readSamples, sumOf } from '../../../src/telemetry/samples.ts'

test('numbers and labels come back as a server has set them, whatever is in a label', async () => {
  const metrics = createMetrics({ process: true })
  const label = 'a "quoted"\\ \nline} 7'
  metrics.counter('native_calls_total', 'Calls.', ['instance', 'code']).inc({ instance: label, code: 'OK' }, 3)
  metrics.counter('native_calls_total', 'Calls.', ['instance', 'code']).inc({ instance: '', code: 'OK' }, 4)
  metrics.gauge('native_idle_seconds', 'Idle.').set(Number.NaN)
  const samples = readSamples(await metrics.text())
  expect(sumOf(samples, 'native_calls_total')).toBe(7)
  expect(sumOf(samples, 'native_calls_total', { instance: label })).toBe(3)
  expect(sumOf(samples, 'native_calls_total', { instance: 'x' })).toBeUndefined()
  expect(sumOf(samples, 'native_idle_seconds')).toBeUndefined()
  expect(labelOf(samples, 'native_calls_total', 'instance')).toBe(label)
})

test('what is not metrics at all, and a server of an older release, tells nothing', () => {
  for (const text of [
    '',
    '<html>\u0000</html>',
    'native_x',
    'native_cache_lookups_total{kind="action",result="hit"} 1',
  ]) {
    const samples = readSamples(text)
    expect(cacheUsageOf(samples)).toBeNull()
    expect(workerCachesOf([samples, undefined])).toBeNull()
    expect(versionIn(samples)).toBeNull()
  }
})

test('workers are added up over those that answer', () => {
  const worker = (bytes: number) =>
    readSamples(`native_worker_cache_bytes ${bytes}\nnative_worker_cache_capacity_bytes 100\n`)
  expect(workerCachesOf([worker(10), undefined, worker(20)])).toEqual({ usedBytes: 30, limitBytes: 200, workers: 2 })
})

test('what the scheduler has to do is read, and is not known of half of it', () => {
  const text = [
    'native_scheduler_queued_actions 3',
    'native_scheduler_running_actions 2',
    'native_scheduler_workers 1',
    'native_scheduler_slots 4',
    'native_scheduler_actions_total{outcome="completed"} 5',
    'native_scheduler_actions_total{outcome="failed"} 1',
  ]
  expect(loadOf(readSamples(text.join('\n')))).toEqual({
    ...{ queued: 3, running: 2, workers: 1, slots: 4, sinceStart: { ended: 6, cached: 0 } },
  })
  expect(loadOf(readSamples(text.slice(1).join('\n')))).toBeNull()
  expect(loadOf(undefined)).toBeNull()
})

test('workers that run actions in a sandbox are counted', () => {
  const worker = (value: number) => readSamples(`native_worker_sandboxed ${value}\n`)
  expect(sandboxedOf([worker(1), undefined, worker(0)])).toBe(1)
  expect(sandboxedOf([worker(0)])).toBe(0)
  expect(sandboxedOf([undefined, readSamples('native_x 1\n')])).toBeNull()
})

test('a release that differs is told, with what to do', () => {
  expect(versionNotes('1.0.0', '1.0.0')).toEqual([])
  expect(versionNotes(null, '1.0.0')).toEqual([])
  expect(versionNotes('0.9.0', '1.0.0')).toEqual([expect.stringMatching(/0\.9\.0.*1\.0\.0.*native deploy/)])
})
