import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { usageIn } from '../../src/wire/resource-usage.ts'
import { findCgroups } from '../../src/worker/limits/cgroups.ts'
import { testFolder } from '../fixture/folder.ts'
import { openContext, shell, timeoutClock } from './worker-context.ts'

vi.setConfig({ testTimeout: 60_000 })

const place = findCgroups().memory
/** Version 2 sets the peak back since Linux 6.12. */
const isKnown =
  place?.version === 1 ||
  (place && ((statSync(join(place.directory, 'memory.peak'), { throwIfNoEntry: false })?.mode ?? 0) & 0o200) > 0)
const mebibyte = 1024 * 1024
const limits = { memoryBytes: 1024 * mebibyte }
/** Two processes, one after the other, each of which holds 100 MiB and half of that again. */
const greedy = `for each in 1 2; do perl -e '$x = "x" x (100 * 1024 * 1024); $y = substr $x, 0, 50 * 1024 * 1024'; done`

describe.runIf(isKnown)('the most memory, where a cgroup limits it', () => {
  test('that of all processes at a time is told, and not that of the action before', async () => {
    const { perform } = await openContext({ limits })
    const { peakMemoryBytes: most = Number.NaN } = usageIn((await perform({ command: shell(greedy) })).result)
    expect(most).toBeGreaterThan(150 * mebibyte)
    expect(most).toBeLessThan(400 * mebibyte)
    const next = usageIn((await perform({ command: shell('sleep 0.01') })).result)
    expect(next.peakMemoryBytes ?? 0).toBeLessThan(50 * mebibyte)
  })

  test('it is told of an action that was killed, too', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock, graceMs: 0, limits })
    const { result } = await perform({
      command: shell(`trap '' TERM; ${greedy}; echo so far; while :; do :; done`),
      onOutput: () => clock.passTimeout(),
    })
    expect(usageIn(result)).toEqual({ peakMemoryBytes: expect.any(Number) })
  })

  test('nothing is said while most of it was there before: files that others have written', async () => {
    const { perform } = await openContext({ limits, ways: ['namespace'] })
    const file = join(await testFolder(), 'file')
    const wrote = await perform({ command: shell(`head -c ${64 * mebibyte} /dev/zero > ${file}`) })
    expect(usageIn(wrote.result).peakMemoryBytes).toBeGreaterThan(60 * mebibyte)
    const next = usageIn((await perform({ command: shell('true') })).result)
    expect([next.peakMemoryBytes, next.userMs]).toEqual([undefined, expect.any(Number)])
  })

  test('without a limit nothing is known', async () => {
    const { perform } = await openContext()
    expect(usageIn((await perform({ command: shell(greedy) })).result).peakMemoryBytes).toBeUndefined()
  })
})
