import { expect, test } from 'vitest'
import { createRipening } from '../../../src/cluster/kubernetes/grace.ts'
import type { Warning } from '../../../src/cluster/kubernetes/pods.ts'
import { newsFilter } from '../../../src/cluster/kubernetes/rollout.ts'
import type { Trouble } from '../../../src/cluster/kubernetes/trouble.ts'
import { manualClock } from '../../fixture/manual-clock.ts'

const trouble: Trouble = { kind: 'not-found', message: 'the image of p cannot be pulled', said: '', graceMs: 60_000 }
const failed = { ...trouble, failedTry: true }
const waits = { ...trouble, failedTry: false }

test('a trouble counts once it has lasted its grace, and begins anew after it was away', () => {
  const clock = manualClock()
  const ripe = createRipening(clock)
  expect(ripe('u', trouble)).toEqual({ inMs: 60_000 })
  clock.advance(59_000)
  expect(ripe('u', trouble)).toEqual({ inMs: 1_000 })
  expect(ripe('u', undefined)).toBeUndefined()
  expect(ripe('u', trouble)).toEqual({ inMs: 60_000 })
  clock.advance(60_000)
  expect(ripe('u', trouble)).toEqual({ ripe: trouble })
})

test('a second try that fails counts at once, the first one seen again does not', () => {
  const ripe = createRipening(manualClock())
  expect(ripe('u', failed)).not.toHaveProperty('ripe')
  expect(ripe('u', failed)).not.toHaveProperty('ripe')
  expect(ripe('u', waits)).not.toHaveProperty('ripe')
  expect(ripe('other', failed)).not.toHaveProperty('ripe')
  expect(ripe('u', failed)).toEqual({ ripe: failed })
})

test('warnings that were there before are not news until they are said again', () => {
  const warning = (name: string, resourceVersion: string): Warning => ({
    metadata: { name, namespace: 'n', resourceVersion },
    involvedObject: { kind: 'Pod', name: 'p', uid: 'u' },
    reason: 'FailedMount',
    message: 'secret "x" not found',
  })
  const isNews = newsFilter()
  expect(isNews([warning('old', '1')])).toEqual([])
  expect(isNews([warning('old', '1'), warning('new', '2')])).toEqual([warning('new', '2')])
  expect(isNews([warning('old', '3')])).toEqual([warning('old', '3')])
})
