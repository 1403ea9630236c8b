import { expect, test } from 'vitest'
import { showExec } from '../../src/cli/exec-progress.ts'
import { manualClock } from '../fixture/manual-clock.ts'

test('an action that is queued again, since no worker came, goes on waiting', () => {
  const clock = manualClock()
  let told = ''
  const write = (text: string) => {
    told += text
    return true
  }
  const { events, end } = showExec({ write } as NodeJS.WriteStream, clock, false)
  const queued = { stage: 'queued', worker: '', operation: '' } as const
  events.onProgress(queued)
  clock.advance(60_000)
  // The scheduler gave up, and the client asks again.
  events.onProgress({ stage: 'completed', worker: '', operation: '' })
  events.onProgress(queued)
  clock.advance(31_000)
  events.onProgress({ stage: 'executing', worker: 'worker-1', operation: '' })
  clock.advance(120_000)
  end()
  expect(told.split('\n')).toEqual([
    'native: waiting for a worker: none is free yet; Ctrl-C cancels',
    'native: still waiting for a worker (35 s)',
    'native: still waiting for a worker (90 s)',
    'native: running on worker-1',
    '',
  ])
})
