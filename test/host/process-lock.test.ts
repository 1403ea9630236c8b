import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { identityOf } from '../../src/host/process-identity.ts'
import { holderOf, takeLock } from '../../src/host/process-lock.ts'
import { eventually } from '../fixture/eventually.ts'
import { testFolder } from '../fixture/folder.ts'
import { manualClock } from '../fixture/manual-clock.ts'

const clock = systemClock
const holderScript = fileURLToPath(new URL('../fixture/lock-holder.ts', import.meta.url))

async function lockedByAnother(path: string) {
  const child = spawn(process.execPath, [holderScript, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await once(child.stdout, 'data')
  return child
}

test('a lock is had by one at a time', async () => {
  const path = join(await testFolder(), 'lock')
  let inside = 0
  const most: number[] = []
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const lock = await takeLock(path, { clock })
      inside += 1
      most.push(inside)
      await identityOf(process.pid)
      inside -= 1
      await lock.release()
    }),
  )
  expect(most).toEqual(Array.from({ length: 12 }, () => 1))
})

test('waiting for another process is told once, with its id, and ends when it dies', async () => {
  const path = join(await testFolder(), 'lock')
  const holder = await lockedByAnother(path)
  expect(await holderOf(path)).toBe(holder.pid)
  const told: number[] = []
  const lock = await takeLock(path, {
    clock,
    waiting: (pid) => {
      told.push(pid)
      holder.kill('SIGKILL')
    },
  })
  expect(told).toEqual([holder.pid])
  expect(await holderOf(path)).toBe(process.pid)
  await lock.release()
})

test('many that find a stale lock do not all have it', async () => {
  const path = join(await testFolder(), 'lock')
  await writeFile(path, JSON.stringify({ pid: process.pid, start: 'another boot' }))
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const lock = await takeLock(path, { clock })
      inside += 1
      most = Math.max(most, inside)
      await identityOf(process.pid)
      inside -= 1
      await lock.release()
    }),
  )
  expect(most).toBe(1)
})

test('a lock of a process whose id went to another, and one that is damaged, are broken', async () => {
  const folder = await testFolder()
  for (const [name, text] of Object.entries({
    reused: JSON.stringify({ pid: process.pid, start: 'long ago' }),
    damaged: '{"pid":',
    empty: '',
  })) {
    await writeFile(join(folder, name), text)
    await writeFile(join(folder, 'keep'), '')
    await (await takeLock(join(folder, name), { clock })).release()
  }
})

test('a signal ends the wait', async () => {
  const path = join(await testFolder(), 'lock')
  const lock = await takeLock(path, { clock })
  const controller = new AbortController()
  const reason = new Error('interrupted')
  const waiting = takeLock(path, { clock, signal: controller.signal, waiting: () => controller.abort(reason) })
  await expect(waiting).rejects.toBe(reason)
  await lock.release()
})

test('nothing is left of a lock, nor of its folder when that is empty', async () => {
  const folder = await testFolder()
  await (await takeLock(join(folder, 'native', 'lock'), { clock })).release()
  expect(await readdir(folder)).toEqual([])
})

test('who waits goes on for as long as the holder moves, and tells when it does not any more', async () => {
  const path = join(await testFolder(), 'lock')
  const holder = await takeLock(path, { clock })
  const waiting = manualClock()
  const quarter = 15 * 60_000
  let ended: unknown
  const second = takeLock(path, { clock: waiting }).catch((error: unknown) => {
    ended = error
  })
  for (let round = 0; round < 4; round += 1) {
    await eventually(
      async () => waiting.next,
      (next) => next !== undefined,
    )
    waiting.advance(quarter)
    await utimes(path, round, round)
  }
  expect(ended).toBeUndefined()
  for (const silence of [1_000, 2 * quarter]) {
    await eventually(
      async () => waiting.next,
      (next) => next !== undefined,
    )
    waiting.advance(silence)
  }
  await second
  expect(ended).toMatchObject({ kind: 'unavailable', message: expect.stringContaining(String(process.pid)) })
  await holder.release()
})

test('a holder moves by being at work', async () => {
  const path = join(await testFolder(), 'lock')
  const lock = await takeLock(path, { clock })
  await utimes(path, 0, 0)
  lock.touch()
  expect((await stat(path)).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
  await lock.release()
  expect(() => lock.touch()).not.toThrow()
})
