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

test('the process is measured when asked for', async () => {
  expect(await createMetrics({ process: true }).text()).toContain('process_resident_memory_bytes')
})
