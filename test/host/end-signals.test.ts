import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { endSignalsOf } from '../../src/host/end-signals.ts'
import { manualClock } from '../fixture/manual-clock.ts'

test('a signal that is passed on by whoever got it too counts once, and a second one of a person counts', () => {
  const source = new EventEmitter()
  const clock = manualClock()
  const onEndSignal = endSignalsOf(source, clock)
  const heard: string[] = []
  const release = onEndSignal(() => heard.push('first'))
  source.emit('SIGINT')
  // What is begun because of the first signal listens too, before its echo comes.
  const releaseSecond = onEndSignal(() => heard.push('second'))
  clock.advance(20)
  source.emit('SIGINT')
  expect(heard).toEqual(['first'])
  clock.advance(1000)
  source.emit('SIGTERM')
  expect(heard).toEqual(['first', 'first', 'second'])
  release()
  releaseSecond()
  expect(source.eventNames()).toEqual([])
})

test('a clock that was set back makes no signal an echo', () => {
  const source = new EventEmitter()
  let now = 1_000_000
  const onEndSignal = endSignalsOf(source, { now: () => now, after: () => () => undefined })
  let count = 0
  onEndSignal(() => count++)
  source.emit('SIGTERM')
  now -= 500_000
  source.emit('SIGTERM')
  expect(count).toBe(2)
})
