import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { collectWhenIdle } from '../../src/serve/idle-memory.ts'

const mib = 1024 * 1024

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A process of 100 MiB that is watched, and whose collections leave 110. */
function watched() {
  const state = { cpuMicros: 0, residentBytes: 100 * mib, collections: 0 }
  const stop = collectWhenIdle({
    cpuMicros: () => state.cpuMicros,
    residentBytes: () => state.residentBytes,
    collect() {
      state.collections += 1
      state.residentBytes = 110 * mib
    },
  })
  return { state, stop }
}

test('a burst of work is followed by one collection, once the process is idle', () => {
  const { state, stop } = watched()
  vi.advanceTimersByTime(60_000)
  expect(state.collections).toBe(0)
  state.residentBytes = 600 * mib
  for (let i = 0; i < 6; i += 1) {
    state.cpuMicros += 4_000_000
    vi.advanceTimersByTime(5_000)
  }
  expect(state.collections).toBe(0)
  vi.advanceTimersByTime(60_000)
  expect(state.collections).toBe(1)
  stop()
  state.residentBytes = 900 * mib
  vi.advanceTimersByTime(60_000)
  expect(state.collections).toBe(1)
})

test('a pause between two bursts is no reason to collect, half a minute without work is', () => {
  const { state, stop } = watched()
  state.residentBytes = 600 * mib
  for (let burst = 0; burst < 5; burst += 1) {
    state.cpuMicros += 4_000_000
    vi.advanceTimersByTime(25_000)
  }
  expect(state.collections).toBe(0)
  vi.advanceTimersByTime(10_000)
  expect(state.collections).toBe(1)
  stop()
})

test('a collection gives back what V8 would keep to grow again', async () => {
  vi.useRealTimers()
  const { stdout } = await execa(process.execPath, [join(import.meta.dirname, 'burst.ts')])
  const { start, busy, idle } = JSON.parse(stdout) as { start: number; busy: number; idle: number }
  expect(busy).toBeGreaterThan(start + 100)
  expect(idle).toBeLessThan(start + 50)
})
