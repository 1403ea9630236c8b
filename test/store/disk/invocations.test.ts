import { describe, expect, test } from 'vitest'
import { createInvocations, type Invocation, perClientMax } from '../../../src/store/disk/invocations.ts'
import { manualClock } from '../../fixture/manual-clock.ts'

const silenceMs = 600_000
const graceMs = silenceMs / 5

function createTable() {
  const clock = manualClock()
  const bytes = new Map<number, number>()
  const ended: string[] = []
  const table = createInvocations({
    clock,
    silenceMs,
    bytesOf: (bit) => bytes.get(bit) ?? 0,
    ended: ({ id, bit }) => {
      ended.push(id)
      bytes.delete(bit)
    },
  })
  /** Named just now, with so many bytes in its hands. */
  function seen(id: string, client: string, held = 0): Invocation {
    const found = table.seen(id, client)
    if (!found) throw new Error(`no place for ${id}`)
    bytes.set(found.bit, held)
    return found
  }
  return { clock, table, ended, seen, ids: () => table.all.map(({ id }) => id) }
}

test('an invocation is live until it has not been named for the whole silence', () => {
  const { clock, table, seen, ids } = createTable()
  seen('a', 'host')
  clock.advance(silenceMs)
  table.expire()
  expect(ids()).toEqual(['a'])
  seen('a', 'host')
  clock.advance(silenceMs + 1)
  table.expire()
  expect(ids()).toEqual([])
})

test('each has a bit of its own, which goes to another when it has ended', () => {
  const { clock, seen } = createTable()
  const bits = Array.from({ length: 32 }, (_, at) => seen(`${at}`, `host ${at}`).bit)
  expect(new Set(bits).size).toBe(32)
  clock.advance(silenceMs + 1)
  expect(bits).toContain(seen('later', 'host').bit)
})

describe('there is no place', () => {
  test('for more of one client than its share, until one of its own has been silent', () => {
    const { clock, table, ended, seen } = createTable()
    for (let at = 0; at < perClientMax; at += 1) seen(`${at}`, 'flood')
    expect(table.seen('more', 'flood')).toBeUndefined()
    expect(table.seen('build', 'other')).toBeDefined()
    clock.advance(10_000)
    expect(table.seen('more', 'flood')).toBeDefined()
    expect(ended).toEqual(['0'])
  })

  test('for more than 32, but a client with fewer gets one from a client with more', () => {
    const { clock, table, ended, seen } = createTable()
    for (let at = 0; at < 32; at += 1) seen(`${at}`, at < 16 ? 'one flood' : 'another')
    expect(table.seen('build', 'other')).toBeUndefined()
    clock.advance(1_000)
    expect(table.seen('build', 'other')).toBeDefined()
    expect(ended).toEqual(['0'])
  })

  test('for an id that is longer than any tool’s', () => {
    expect(createTable().table.seen('x'.repeat(129), 'host')).toBeUndefined()
  })
})

describe('who makes way for one that needs room', () => {
  test('an earlier one of the same client, once it has been silent for as long as it was active', () => {
    const { clock, table, ended, seen } = createTable()
    seen('earlier', 'host', 5)
    clock.advance(60_000)
    seen('earlier', 'host', 5)
    clock.advance(59_999)
    const later = seen('later', 'host', 50)
    expect(table.makeWayFor(later)).toBe(false)
    clock.advance(1)
    expect(table.makeWayFor(later)).toBe(true)
    expect(ended).toEqual(['earlier'])
  })

  test('after a fifth of the silence at the latest', () => {
    const { clock, table, seen } = createTable()
    seen('earlier', 'host', 5)
    for (let minutes = 0; minutes < 30; minutes += 5) {
      clock.advance(300_000)
      seen('earlier', 'host', 5)
    }
    clock.advance(graceMs)
    expect(table.makeWayFor(seen('later', 'host'))).toBe(true)
  })

  test('one of a client that holds more, and never of one that holds less', () => {
    const { clock, table, ended, seen } = createTable()
    const small = seen('small', 'one', 5)
    const large = seen('large', 'other', 50)
    clock.advance(graceMs)
    expect(table.makeWayFor(large)).toBe(false)
    expect(table.makeWayFor(small)).toBe(true)
    expect(ended).toEqual(['large'])
  })

  test('what a client holds counts together: many small invocations are no less than a large one', () => {
    const { clock, table, ended, seen } = createTable()
    for (let at = 0; at < 10; at += 1) seen(`lie ${at}`, 'flood', 10)
    clock.advance(1_000)
    const build = seen('build', 'other', 60)
    expect(table.makeWayFor(build)).toBe(true)
    expect(ended).toEqual(['lie 0'])
  })

  test('nobody who holds nothing, nor who asks', () => {
    const { clock, table, seen } = createTable()
    seen('empty', 'host')
    const asker = seen('asker', 'host', 50)
    clock.advance(graceMs)
    expect(table.makeWayFor(asker)).toBe(false)
  })
})
