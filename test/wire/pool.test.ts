import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BufferPool } from '../../src/wire/pool.ts'

test('a buffer that was given back is taken again, whatever lengths of its size are asked for', () => {
  const pool = new BufferPool()
  const first = pool.take(100_000)
  pool.give(first)
  const second = pool.take(70_000)
  expect(second.buffer).toBe(first.buffer)
  expect(second).toHaveLength(70_000)
  expect(pool.take(70_000).buffer).not.toBe(first.buffer)
})

test('any length is served, and no two that are out share memory', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(300_000), fc.boolean()), { maxLength: 40 }), (steps) => {
      const pool = new BufferPool()
      const out: Buffer[] = []
      for (const [length, giveBack] of steps) {
        const taken = pool.take(length)
        expect(taken).toHaveLength(length)
        taken.fill(out.length)
        out.push(taken)
        const old = giveBack ? out.shift() : undefined
        if (old) pool.give(old)
      }
      const large = out.filter(({ length }) => length > 4096).map(({ buffer }) => buffer)
      expect(new Set(large).size).toBe(large.length)
    }),
  )
})

test('giving back a small buffer never hands out the slab of Node that others lie in', () => {
  const pool = new BufferPool()
  // Among so many, one is the first slice of a slab, which looks just like memory of the pool's.
  const small = Array.from({ length: 128 }, (_, at) => pool.take(1024).fill(at))
  const beginning = small.filter(({ byteOffset, buffer }) => byteOffset === 0 && buffer.byteLength === Buffer.poolSize)
  expect(beginning.length).toBeGreaterThan(0)
  for (const each of beginning) pool.give(each)
  for (let each = 0; each < 16; each += 1) pool.take(Buffer.poolSize).fill(255)
  const spoilt = small.filter((each, at) => !beginning.includes(each) && each.some((byte) => byte !== at))
  expect(spoilt).toEqual([])
})

test('a buffer that is given back twice is handed out once', () => {
  const pool = new BufferPool()
  const taken = pool.take(10_000)
  pool.give(taken)
  pool.give(taken)
  expect(pool.take(10_000).buffer).not.toBe(pool.take(10_000).buffer)
})

test('it keeps no more than 32 MiB, and nothing that is not its own', () => {
  const pool = new BufferPool()
  const out = Array.from({ length: 10 }, () => pool.take(8 * 1024 * 1024))
  for (const each of out) pool.give(each)
  const again = Array.from({ length: 10 }, () => pool.take(8 * 1024 * 1024))
  const kept = again.filter(({ buffer }) => out.some((each) => each.buffer === buffer))
  expect(kept).toHaveLength(4)
  const slice = Buffer.alloc(16_384).subarray(1)
  pool.give(slice)
  expect(pool.take(16_384).buffer).not.toBe(slice.buffer)
})

test('large buffers that nobody asks for any more make room for those that are used now', () => {
  const pool = new BufferPool()
  for (const each of Array.from({ length: 8 }, () => pool.take(4 * 1024 * 1024))) pool.give(each)
  const first = Array.from({ length: 16 }, () => pool.take(70_000))
  for (const each of first) pool.give(each)
  const second = Array.from({ length: 16 }, () => pool.take(70_000))
  expect(new Set(second.map(({ buffer }) => buffer))).toEqual(new Set(first.map(({ buffer }) => buffer)))
})

test('it keeps no more than its bound, whatever sizes come back in whatever order', () => {
  const bound = 1024 * 1024
  const length = fc.constantFrom(5000, 10_000, 70_000, 260_000, 500_000, 1_000_000, 3_000_000)
  fc.assert(
    fc.property(fc.array(fc.tuple(length, fc.boolean()), { maxLength: 80 }), (steps) => {
      const pool = new BufferPool(bound)
      const out = new Set<Buffer>()
      const given = new Map<ArrayBufferLike, number>()
      for (const [each, giveBack] of steps) {
        const taken = pool.take(each)
        for (const other of out) expect(other.buffer).not.toBe(taken.buffer)
        out.add(taken)
        const [old] = out
        if (!giveBack || !old) continue
        out.delete(old)
        given.set(old.buffer, old.buffer.byteLength)
        pool.give(old)
      }
      // Takes until nothing of what was given comes back.
      let kept = 0
      for (const bytes of [5000, 10_000, 20_000, 70_000, 200_000, 260_000, 1_000_000, 2_000_000, 3_000_000])
        for (let taken = pool.take(bytes); given.has(taken.buffer); taken = pool.take(bytes)) {
          kept += taken.buffer.byteLength
          given.delete(taken.buffer)
        }
      expect(kept).toBeLessThanOrEqual(bound)
    }),
  )
})

test('what nobody took between two trims is let go, and what is in use stays', () => {
  const pool = new BufferPool(64 * 1024 * 1024)
  const buffers = Array.from({ length: 4 }, () => pool.take(1024 * 1024))
  for (const buffer of buffers) pool.give(buffer)
  pool.trim()
  expect(pool.waitingBytes).toBe(4 * 1024 * 1024)
  const used = [pool.take(1024 * 1024), pool.take(1024 * 1024)]
  for (const buffer of used) pool.give(buffer)
  pool.trim()
  expect(pool.waitingBytes).toBe(2 * 1024 * 1024)
  pool.trim()
  expect(pool.waitingBytes).toBe(0)
})
