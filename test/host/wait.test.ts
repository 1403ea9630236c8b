import { getEventListeners } from 'node:events'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { wait } from '../../src/host/wait.ts'
import { manualClock } from '../fixture/manual-clock.ts'

test('it ends after its time, and leaves nothing behind', async () => {
  const clock = manualClock()
  const { signal } = new AbortController()
  let over = false
  const waiting = wait(1000, clock, signal).then(() => {
    over = true
  })
  clock.advance(999)
  await Promise.resolve()
  expect(over).toBe(false)
  clock.advance(1)
  await waiting
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('it ends with the reason of a signal that aborts', async () => {
  const clock = manualClock()
  const reason = new Error('the caller has gone')
  const controller = new AbortController()
  const waiting = wait(1000, clock, controller.signal)
  controller.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  await expect(wait(1000, clock, controller.signal)).rejects.toBe(reason)
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
})

test('a process does not end while it waits', async () => {
  const path = (name: string) => JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href)
  const program = `
    import { systemClock } from ${path('core/clock.ts')}
    import { wait } from ${path('host/wait.ts')}
    await wait(50, systemClock)
    console.log('waited')`
  const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', program])
  expect(stdout).toBe('waited')
})
