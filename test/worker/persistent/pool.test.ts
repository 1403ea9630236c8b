import { expect, test } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import type { Plan } from '../../../src/worker/persistent/plan.ts'
import { createPool } from '../../../src/worker/persistent/pool.ts'
import type { PooledTool } from '../../../src/worker/persistent/pooled-tool.ts'

interface TestTool extends PooledTool {
  dies(): void
}

/** A pool of tools whose processes are only said to be there. */
function openPool(options: { perKeyMax?: number; idleMax?: number } = {}) {
  const ended: PooledTool[] = []
  const removed: PooledTool[] = []
  let fails = false
  const toolOf = ({ key }: Plan): TestTool => {
    let usable = true
    const pooled = {
      key,
      takes: 0,
      users: 0,
      folder: '',
      get process() {
        return { usable, memory: () => 0 } as PooledTool['process']
      },
      enter: () => Promise.reject(new Error('nothing is done here')),
      leave: async () => true,
      async stop() {
        ended.push(pooled)
      },
      async remove() {
        removed.push(pooled)
      },
      dies() {
        usable = false
      },
    }
    return pooled
  }
  const limits = { idleMs: 60_000, idleMax: 9, idleMemoryBytes: 1e9, perKeyMax: 1, ...options }
  const make = async (plan: Plan) => {
    if (fails) throw new Error('no room')
    return toolOf(plan)
  }
  const pool = createPool(limits, systemClock, make, () => undefined)
  const take = (key: string, { multiplex = false, fresh = false, signal = new AbortController().signal } = {}) =>
    pool.take({ key, multiplex } as Plan, fresh, signal) as Promise<TestTool>
  return { pool, take, ended, removed, failNext: (value: boolean) => (fails = value) }
}

test('a tool that died while nobody used it makes way for a new one', async () => {
  const { pool, take, ended } = openPool()
  const first = await take('a')
  await pool.giveBack(first, true)
  first.dies()
  expect(await take('a')).not.toBe(first)
  expect(ended).toEqual([first])
})

test('a cancelled action no longer waits for a tool', async () => {
  const { pool, take } = openPool()
  const first = await take('a')
  const controller = new AbortController()
  const waiting = take('a', { signal: controller.signal })
  controller.abort(new Error('not wanted'))
  await expect(waiting).rejects.toThrow('not wanted')
  await pool.giveBack(first, true)
  expect(await take('a')).toBe(first)
})

test('a tool that is taken while room is made is not ended', async () => {
  const { pool, take, ended } = openPool({ idleMax: 0, perKeyMax: 2 })
  const tools = await Promise.all([take('a'), take('b')])
  const givenBack = tools.map((pooled) => pool.giveBack(pooled, true))
  const taken = await take('b')
  await Promise.all(givenBack)
  expect(ended).not.toContain(taken)
})

test('one that several use is removed when the last of them has left', async () => {
  const { pool, take, ended, removed } = openPool()
  const [first, second] = await Promise.all([take('a', { multiplex: true }), take('a', { multiplex: true })])
  expect(second).toBe(first)
  await pool.giveBack(first, false)
  expect([ended.length, removed.length]).toEqual([1, 0])
  await pool.giveBack(first, true)
  expect(removed).toEqual([first])
  expect(await take('a', { multiplex: true })).not.toBe(first)
})

test('one that could not be made is tried anew', async () => {
  const { take, failNext } = openPool()
  failNext(true)
  await expect(take('a', { multiplex: true })).rejects.toThrow('no room')
  failNext(false)
  expect((await take('a', { multiplex: true })).users).toBe(1)
})

test("a new one that several could use is one action's alone, and everybody's afterwards", async () => {
  const { pool, take, ended } = openPool()
  const multiplex = true
  const fresh = await take('a', { multiplex, fresh: true })
  const other = await take('a', { multiplex, fresh: true })
  expect([fresh.takes, other.takes, other === fresh]).toEqual([1, 1, false])
  await pool.giveBack(fresh, true)
  expect(await take('a', { multiplex })).toBe(fresh)
  await pool.giveBack(other, true)
  expect(ended).toEqual([other])
})
