import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGate, createSharedGate } from '../../src/core/gate.ts'

test('no more than so many run at once, all run, and those that fail make room too', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), fc.array(fc.boolean()), async (s, max, fails) => {
      const gate = createGate(max)
      let running = 0
      let most = 0
      const all = fails.map((fail) =>
        gate(async () => {
          running += 1
          most = Math.max(most, running)
          await s.schedule(Promise.resolve())
          running -= 1
          if (fail) throw new Error('failed')
        }),
      )
      const [results] = await Promise.all([Promise.allSettled(all), s.waitIdle()])
      expect(results.map(({ status }) => status === 'rejected')).toEqual(fails)
      expect(most).toBe(Math.min(max, fails.length))
    }),
    { numRuns: 50 },
  )
})

test('a client whose work never ends does not hold up another', async () => {
  const gate = createSharedGate(4, 2)
  const started: string[] = []
  const never = new Promise<void>(() => undefined)
  for (let i = 0; i < 10; i += 1)
    gate('stuck', async () => {
      started.push('stuck')
      await never
    }).catch(() => undefined)
  expect(await gate('other', async () => 'done')).toBe('done')
  expect(started).toEqual(['stuck', 'stuck'])
})
