import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Digest, digestFunctions, digestKey } from '../../src/core/digest.ts'
import { createDigestIndex } from '../../src/store/disk/digest-index.ts'
import { bytesInSegment } from '../../src/store/disk/footer.ts'
import { createMixer } from '../../src/store/disk/mixer.ts'
import { createPinTally } from '../../src/store/disk/pin-tally.ts'

/** Learns nothing. */
const same = (known: number) => known
const place = (offset: number, segment = 1) => ({ segment, offset, length: offset * 3 })

describe('the digest index', () => {
  test('keeps the marks of each entry, whatever is set, pinned, unpinned and deleted, and as it grows', async () => {
    const digest = fc.nat(300).map((name): Digest => {
      return { fn: 'sha256', hash: createHash('sha256').update(`${name}`).digest('hex'), size: 1 }
    })
    const what = fc.constantFrom('set', 'set', 'pin', 'pin', 'unpin', 'delete', 'unpin all')
    // Bit 31 makes a negative number.
    const step = fc.record({ digest, what, bits: fc.constantFrom(1, 2, 3, 2 ** 30, -(2 ** 31)) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 300, maxLength: 1000 }), async (steps) => {
        const tally = createPinTally()
        const index = createDigestIndex(tally.changed)
        const model = new Map<string, number>()
        for (const { digest: each, what: done, bits } of steps) {
          const key = digestKey(each)
          const before = model.get(key)
          if (done === 'set') index.set(each, place(0), 1, 0)
          if (done === 'set') model.set(key, before ?? 0)
          else if (done === 'delete') {
            index.delete(each)
            model.delete(key)
          } else if (done === 'pin') {
            const marks = index.pin(each, bits, 1, same)
            expect(marks === undefined ? undefined : marks | 0).toBe(before)
            if (before !== undefined) model.set(key, before | bits)
          } else if (done === 'unpin') {
            index.unpin(each, bits)
            if (before !== undefined) model.set(key, before & ~bits)
          } else {
            await index.unpinAll(bits)
            for (const [known, marks] of model) model.set(known, marks & ~bits)
          }
          expect(index.pinned(each)).toBe((model.get(key) ?? 0) !== 0)
        }
        const pinned = [...model.values()].filter((marks) => marks !== 0)
        const holding = (bit: number) => pinned.filter((marks) => (marks & (1 << bit)) !== 0).length
        expect(tally.bytes).toBe(pinned.length * bytesInSegment('sha256', 0))
        expect([0, 1, 30, 31].map(tally.valuesOf)).toEqual([0, 1, 30, 31].map(holding))
        expect(tally.bytesOf(31)).toBe(holding(31) * bytesInSegment('sha256', 0))
      }),
      { numRuns: 60 },
    )
  })

  test('behaves as a Map, whatever is set and deleted, for every function', () => {
    const digest = fc
      .record({
        fn: fc.constantFrom('sha256' as const, 'sha1' as const, 'sha384' as const, 'sha512' as const),
        // Few names, so that operations meet.
        name: fc.nat(60),
        size: fc.constantFrom(1, 2, 2 ** 32 + 1, 2 ** 53 - 1),
      })
      .map(({ fn, name, size }): Digest => ({ fn, hash: createHash(fn).update(`${name}`).digest('hex'), size }))
    const step = fc.record({ digest, what: fc.constantFrom('set', 'set', 'delete', 'find'), offset: fc.nat(2 ** 31) })
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
        const index = createDigestIndex()
        const model = new Map<string, number>()
        for (const { digest, what, offset } of steps) {
          const key = digestKey(digest)
          if (what === 'set') {
            index.set(digest, place(offset), 1, 0)
            model.set(key, offset)
          } else if (what === 'delete') expect(index.delete(digest)).toBe(model.delete(key))
          else {
            expect(index.find(digest, 1, same)?.offset).toBe(model.get(key))
            expect(index.touch(digest, 1, same)).toBe(model.has(key))
          }
          expect(index.count).toBe(model.size)
        }
        const listed = [...index.entriesOf(1)].flat().map((entry) => [digestKey(entry.digest), entry.offset] as const)
        expect(new Map(listed)).toEqual(model)
      }),
      { numRuns: 50 },
    )
  })

  test('holds a hundred thousand, lists them by segment, and remembers their last use', () => {
    const index = createDigestIndex()
    const digests = Array.from({ length: 100_000 }, (_, at): Digest => {
      return { fn: 'sha256', hash: createHash('sha256').update(String(at)).digest('hex'), size: at }
    })
    for (const [at, digest] of digests.entries()) index.set(digest, place(at, 1 + (at % 3)), 5, 0)
    for (const digest of digests.slice(0, 1000)) index.touch(digest, 9, same)
    const second = [...index.entriesOf(2)].flat()
    expect(second.every(({ offset }) => offset % 3 === 1)).toBe(true)
    expect(second).toHaveLength(33_333)
    expect(second.filter(({ used }) => used === 9)).toHaveLength(333)
    for (const digest of digests.slice(0, 50_000)) index.delete(digest)
    expect(digests.filter((digest) => index.touch(digest, 1, same))).toEqual(digests.slice(50_000))
  })
})

describe('keys that a client could choose', () => {
  const hex = (value: number, at: number) => {
    const digits = value.toString(16).padStart(8, '0')
    return `${'0'.repeat(at)}${digits}${'0'.repeat(64)}`.slice(0, 64)
  }
  test.each([
    ['count up in the last digits', (at: number) => hex(at, 56)],
    ['count up in the first digits', (at: number) => hex(at, 0)],
    ['count up in steps of 65,536', (at: number) => hex(at * 65_536, 24)],
    [
      'differ in single bits only',
      (at: number) => Array.from({ length: 16 }, (_, bit) => ((at >> bit) & 1 ? '8000' : '0000')).join(''),
    ],
  ])('are spread evenly when they %s', (_, hashOf) => {
    const mix = createMixer()
    const buckets = new Uint32Array(1024)
    const key = { words: new Uint32Array(16), count: digestFunctions.sha256.hexLength / 8, size: 1, mix: 0 }
    for (let at = 0; at < 10_240; at += 1) {
      mix(hashOf(at), key)
      const bucket = key.mix & 1023
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    // 10 on average; even a fair spread has some with twice as many.
    expect(Math.max(...buckets)).toBeLessThan(60)
  })
})
