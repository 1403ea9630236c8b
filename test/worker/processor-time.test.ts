import { describe, expect, test, vi } from 'vitest'
import { usageIn } from '../../src/wire/resource-usage.ts'
import { openContext, shell, type TestContext, timeoutClock } from './worker-context.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Uses half a second of processor time, and little more. */
const burns = '1 while (times)[0] + (times)[1] < 0.5'
/** Each process waits for the one that it has started, and the last one does the work. */
const inGrandchild = `for (1 .. 2) { if (fork) { wait; exit } } ${burns}`
/** The work is done by a process whose parent has ended; the action ends after it. */
const inOrphan = `pipe R, W; if (fork) { wait; close W; <R>; exit } exit if fork; ${burns}`

/** Milliseconds; undefined where the result does not say. */
async function usedBy(perform: TestContext['perform'], command = shell('true')): Promise<number | undefined> {
  const { result } = await perform({ command })
  expect(result.exitCode).toBe(0)
  const { userMs, systemMs } = usageIn(result)
  return userMs === undefined || systemMs === undefined ? undefined : userMs + systemMs
}

const perl = (script: string) => shell(`perl -e '${script}'`)

describe.runIf(process.platform === 'linux')('processor time', () => {
  const ways = ['sandbox', 'namespace', 'marks', 'group'] as const

  test.each(ways)('%s: that of a descendant counts for its action, and for no other', async (way) => {
    const { perform } = await openContext({ ways: [way] })
    const idle = shell('sleep 0.1')
    const all = [await usedBy(perform, idle), await usedBy(perform, perl(inGrandchild)), await usedBy(perform, idle)]
    const [before = Number.NaN, burnt = Number.NaN, after = Number.NaN] = all
    expect(burnt).toBeGreaterThan(450)
    expect(before).toBeLessThan(150)
    expect(after).toBeLessThan(150)
  })

  test.each(['sandbox', 'namespace'] as const)('%s: that of an orphan counts too', async (way) => {
    const { perform } = await openContext({ ways: [way] })
    expect(await usedBy(perform, perl(inOrphan))).toBeGreaterThan(450)
  })

  test('that of an action that fails is told as well', async () => {
    const { perform } = await openContext()
    const failed = await perform({ command: shell(`perl -e '${burns}'; exit 3`) })
    expect([failed.result.exitCode, (usageIn(failed.result).userMs ?? 0) > 0]).toEqual([3, true])
  })

  test('of an action that had to be killed nothing is known, and nothing is said', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock, graceMs: 0 })
    const { result } = await perform({
      command: shell(`trap '' TERM; echo so far; while :; do :; done`),
      onOutput: () => clock.passTimeout(),
    })
    expect(result.exitCode).toBe(137)
    expect(usageIn(result)).toEqual({})
    expect(result.executionMetadata?.auxiliaryMetadata).toEqual([])
    expect(await usedBy(perform)).toBeLessThan(150)
  })
})
