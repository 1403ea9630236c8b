import { expect, test } from 'vitest'
import { createLeases } from '../../src/scheduler/lease.ts'

function table() {
  let id = 0
  return createLeases<string, object>(1_000, () => {
    id += 1
    return String(id)
  })
}

test('a lease that is renewed in time goes on, one that is not expires', () => {
  const leases = table()
  const worker = {}
  const renewed = leases.grant('a', worker, 0)
  const silent = leases.grant('b', worker, 0)
  leases.renew(worker, [renewed.id], 900)
  expect(leases.expired(worker, 1_000)).toEqual([silent])
  expect(leases.expired(worker, 1_900)).toEqual([renewed, silent])
})

test('only the worker that holds a lease can renew or use it', () => {
  const leases = table()
  const worker = {}
  const thief = {}
  const lease = leases.grant('a', worker, 0)
  leases.renew(thief, [lease.id], 500)
  expect(leases.held(lease.id, thief)).toBeUndefined()
  expect(leases.expired(worker, 1_000)).toEqual([lease])
})

test('a lease that has ended is not found any more', () => {
  const leases = table()
  const worker = {}
  const lease = leases.grant('a', worker, 0)
  expect(leases.end(lease)).toBe(true)
  expect(leases.end(lease)).toBe(false)
  expect(leases.held(lease.id, worker)).toBeUndefined()
  expect(leases.of(worker)).toEqual([])
  expect(leases.size).toBe(0)
})
