import { expect, test } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'

test('counters, gauges and histograms are told in the text format', async () => {
  const metrics = createMetrics()
  const calls = metrics.counter('native_calls_total', 'Calls.', ['method'])
  calls.inc({ method: 'Read' })
  calls.inc({ method: 'Read' }, 2)
  metrics.gauge('native_queue', 'Actions that wait.').set(7)
  let bytes = 1
  metrics.gauge('native_store_bytes', 'Bytes stored.', [], () => bytes)
  bytes = 42
  metrics.histogram('native_call_seconds', 'How long.', ['method'], [0.1, 1]).observe(0.5, { method: 'Read' })
  const text = await metrics.text()
  expect(text).toContain('native_calls_total{method="Read"} 3')
  expect(text).toContain('native_queue 7')
  expect(text).toContain('native_store_bytes 42')
  expect(text).toContain('native_call_seconds_bucket{le="0.1",method="Read"} 0')
  expect(text).toContain('native_call_seconds_bucket{le="1",method="Read"} 1')
  expect(metrics.contentType).toContain('text/plain')
})

test('the same name is the same metric, and registries are apart', async () => {
  const one = createMetrics()
  one.counter('native_a_total', 'A.').inc()
  one.counter('native_a_total', 'A.').inc()
  expect(await one.text()).toContain('native_a_total 2')
  expect(await createMetrics().text()).not.toContain('native_a_total')
})

test('a series counts into its metric, and both ways of counting add up', async () => {
  const metrics = createMetrics()
  const calls = metrics.counter('native_calls_total', 'Calls.', ['method', 'code'])
  const series = calls.of({ code: 'OK', method: 'Read' })
  series.add()
  series.add(4)
  calls.inc({ method: 'Read', code: 'OK' }, 2)
  calls.inc({ method: 'Write', code: 'OK' })
  expect(calls.of({ method: 'Read', code: 'OK' })).toBe(series)
  expect(() => calls.of({ methods: 'Read' })).toThrow('no label methods')
  for (let asked = 0; asked < 2; asked += 1) {
    const text = await metrics.text()
    expect(text).toMatch(/^native_calls_total\{.*method="Read".*\} 7$/m)
    expect(text).toMatch(/^native_calls_total\{.*method="Write".*\} 1$/m)
  }
})

test('a histogram tells buckets that add up, the sum and the count of each series', async () => {
  const metrics = createMetrics()
  const seconds = metrics.histogram('native_call_seconds', 'How long.', ['method'], [0.1, 1])
  const reads = seconds.of({ method: 'Read' })
  for (const value of [0.1, 0.5, 1, 8]) reads.observe(value)
  seconds.observe(2, { method: 'Wri"te' })
  metrics.histogram('native_wait_seconds', 'How long.', [], [5]).observe(3)
  const lines = (await metrics.text()).split('\n')
  expect(lines).toEqual(
    expect.arrayContaining([
      '# TYPE native_call_seconds histogram',
      'native_call_seconds_bucket{le="0.1",method="Read"} 1',
      'native_call_seconds_bucket{le="1",method="Read"} 3',
      'native_call_seconds_bucket{le="+Inf",method="Read"} 4',
      'native_call_seconds_sum{method="Read"} 9.6',
      'native_call_seconds_count{method="Read"} 4',
      'native_call_seconds_count{method="Wri\\"te"} 1',
      'native_wait_seconds_bucket{le="5"} 1',
      'native_wait_seconds_sum 3',
    ]),
  )
})

test('the process is measured when asked for', async () => {
  expect(await createMetrics({ process: true }).text()).toContain('process_resident_memory_bytes')
})
