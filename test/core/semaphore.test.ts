import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSemaphore, createSharedSemaphore } from '../../src/core/semaphore.ts'

test('no more than so many run at once, all run, and those that fail make room too', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), fc.array(fc.boolean()), async (s, max, fails) => {
      const semaphore = createSemaphore(max)
      let running = 0
      let most = 0
      const all = fails.map((fail) =>
        semaphore(async () => {
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
  const semaphore = createSharedSemaphore(4, 2)
  const started: string[] = []
  const never = new Promise<void>(() => undefined)
  for (let i = 0; i < 10; i += 1)
    semaphore('stuck', async () => {
      started.push('stuck')
      await never
    }).catch(() => undefined)
  expect(await semaphore('other', async () => 'done')).toBe('done')
  expect(started).toEqual(['stuck', 'stuck'])
})

test('a client with one piece of work stands behind no more than one of each other', async () => {
  const semaphore = createSharedSemaphore(8, 4)
  let before = 0
  const flood = Array.from({ length: 40 * 50 }, (_, at) =>
    semaphore(`${at % 40}`, async () => {
      before += 1
    }),
  )
  const own = await semaphore('other', async () => before)
  expect(own).toBeLessThanOrEqual(8 + 40)
  await Promise.all(flood)
  expect(before).toBe(40 * 50)
})

test('shared by several, no more than so many run at once, neither of all nor of one, and all run', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean())),
      async (s, allMax, clientMax, pieces) => {
        const semaphore = createSharedSemaphore(allMax, clientMax)
        const running = new Map<string, number>()
        const sum = () => [...running.values()].reduce((all, each) => all + each, 0)
        const all = pieces.map(([client, fail]) =>
          semaphore(client, async () => {
            running.set(client, (running.get(client) ?? 0) + 1)
            expect(running.get(client)).toBeLessThanOrEqual(clientMax)
            expect(sum()).toBeLessThanOrEqual(allMax)
            await s.schedule(Promise.resolve())
            running.set(client, (running.get(client) ?? 0) - 1)
            if (fail) throw new Error('failed')
          }),
        )
        const [results] = await Promise.all([Promise.allSettled(all), s.waitIdle()])
        expect(results.map(({ status }) => status === 'rejected')).toEqual(pieces.map(([, fail]) => fail))
      },
    ),
    { numRuns: 100 },
  )
})
