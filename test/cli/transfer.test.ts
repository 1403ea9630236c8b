import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { progressText, showTransfer } from '../../src/cli/transfer.ts'
import { manualClock } from '../fixture/manual-clock.ts'

const mib = 1024 * 1024

function scene(live: boolean) {
  const clock = manualClock()
  const stream = Object.assign(new PassThrough(), { columns: 40 })
  const transfer = showTransfer(stream as unknown as NodeJS.WriteStream, clock, live)
  return { clock, transfer, shown: () => String(stream.read() ?? '') }
}

test('bytes, rate and rest are told', () => {
  expect(progressText(10 * mib, 40 * mib, 2_000)).toBe('10 MiB of 40 MiB, 5.0 MiB/s, 6 s left')
  expect(progressText(0, 40 * mib, 2_000)).toBe('0 B of 40 MiB, 0 B/s')
})

test('where there is no terminal it is a line every five seconds, and none for what is done sooner', () => {
  const { clock, transfer, shown } = scene(false)
  transfer.plan('uploading', 40 * mib)
  clock.advance(4_900)
  transfer.moved(10 * mib)
  expect(shown()).toBe('')
  clock.advance(100)
  transfer.moved(10 * mib)
  expect(shown()).toBe('native: uploading 20 MiB of 40 MiB, 4.0 MiB/s, 5 s left\n')
  transfer.moved(20 * mib)
  transfer.clear()
  expect(shown()).toBe('')
})

test('on a terminal it is one line that fits, is drawn over and taken away', () => {
  const { clock, transfer, shown } = scene(true)
  transfer.plan('uploading', 40 * mib)
  clock.advance(1_000)
  transfer.moved(10 * mib)
  const line = shown()
  expect(line.startsWith('\r\u001b[Knative: uploading 10 MiB of 40 MiB')).toBe(true)
  expect(line.length - '\r\u001b[K'.length).toBeLessThanOrEqual(39)
  transfer.clear()
  expect(shown()).toBe('\r\u001b[K')
})
