import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDigestLists } from '../../src/cache/digest-lists.ts'
import { blobOf } from './fixture.ts'

const { digest } = blobOf('x')

function list(length: number): (typeof digest)[] {
  return Array.from({ length }, () => digest)
}

test('gives back what was set', () => {
  const lists = createDigestLists(100)
  lists.set('a', list(3))
  lists.set('empty', [])
  expect(lists.get('a')?.length).toBe(3)
  expect(lists.get('empty')).toEqual([])
  expect(lists.get('b')).toBeUndefined()
})

test('what is used stays, what is not goes', () => {
  const lists = createDigestLists(100)
  lists.set('used', list(4))
  lists.set('unused', list(4))
  for (let i = 0; i < 100; i += 1) {
    lists.set(`other ${i}`, list(4))
    expect(lists.get('used')?.length).toBe(4)
  }
  expect(lists.get('unused')).toBeUndefined()
})

test('a list over half of the bound is not kept', () => {
  const lists = createDigestLists(100)
  lists.set('large', list(50))
  expect(lists.get('large')).toBeUndefined()
})

test('never holds more than the bound, counting each list as one more', () => {
  const steps = fc.array(fc.record({ key: fc.nat(40), length: fc.nat(60), get: fc.boolean() }), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (all) => {
      const lists = createDigestLists(100)
      for (const { key, length, get } of all) {
        if (get) lists.get(String(key))
        else lists.set(String(key), list(length))
      }
      // Asking may itself drop lists, so what is found in one pass is at most what was held.
      const held = Array.from({ length: 41 }, (_, key) => lists.get(String(key)))
      expect(held.reduce((sum, each) => sum + (each ? each.length + 1 : 0), 0)).toBeLessThanOrEqual(100)
    }),
  )
})
