import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createQueue, type Queued } from '../../src/scheduler/queue.ts'

function item(priority: number, arrival: number, unwanted = false): Queued {
  return { priority, arrival, position: -1, unwanted }
}

test('rule 33: the lower priority value comes first, negative ones too; then whoever came first', () => {
  const queue = createQueue<Queued>()
  const items = [item(0, 1), item(5, 2), item(-3, 3), item(0, 4), item(-3, 5)]
  for (const each of items) queue.push(each)
  const order = Array.from({ length: items.length }, () => queue.pop()?.arrival)
  expect(order).toEqual([3, 5, 1, 4, 2])
  expect(queue.pop()).toBeUndefined()
})

test('what nobody wants any more comes after all that is wanted, whatever its priority', () => {
  const queue = createQueue<Queued>()
  for (const each of [item(-9, 1, true), item(5, 2), item(-8, 3, true), item(0, 4)]) queue.push(each)
  expect(Array.from({ length: 4 }, () => queue.pop()?.arrival)).toEqual([4, 2, 1, 3])
})

test('whatever is pushed and taken out, the rest leaves in order', () => {
  const command = fc.record({ priority: fc.integer({ min: -5, max: 5 }), remove: fc.boolean(), pick: fc.nat() })
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const queue = createQueue<Queued>()
      const model: Queued[] = []
      commands.forEach(({ priority, remove, pick }, arrival) => {
        const [gone] = remove ? model.splice(pick % Math.max(model.length, 1), 1) : []
        if (gone) expect(queue.remove(gone)).toBe(true)
        const fresh = item(priority, arrival)
        queue.push(fresh)
        model.push(fresh)
      })
      expect(queue.size).toBe(model.length)
      model.sort((a, b) => a.priority - b.priority || a.arrival - b.arrival)
      expect(model.map(() => queue.pop())).toEqual(model)
    }),
  )
})

test('an item that is in no queue, or in another one, cannot be taken out', () => {
  const queue = createQueue<Queued>()
  const other = createQueue<Queued>()
  const there = item(0, 1)
  const elsewhere = item(0, 2)
  queue.push(there)
  other.push(elsewhere)
  expect(queue.remove(elsewhere)).toBe(false)
  expect(queue.remove(item(0, 3))).toBe(false)
  expect(queue.peek()).toBe(there)
})
