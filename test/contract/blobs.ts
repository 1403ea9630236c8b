import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkedDigest, type Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { chunkBytesMax, smallBlobBytesMax } from '../../src/core/limits.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { type Blob, blobOf, readWhole, seededBlob } from '../fixture/blob.ts'
import { blobsModel } from './blobs-model.ts'

/** An implementation under test. */
export interface BlobsUnderTest {
  /** A fresh, empty store that may take this many bytes. */
  open(capacity: number): Promise<Blobs>
  /** Removes what the last `open` left behind, after `close`. */
  clean?(): Promise<void>
}

const megabyte = 1024 * 1024
const capacity = 64 * megabyte
const empty = blobOf('')
/** In place of a blob that is not there. */
const absentBytes = Buffer.from('absent')
const absent = digestOf('sha256', Buffer.from('never written'))

/** What every backend and decorator owes its callers (src/store/blobs.ts). */
export function describeBlobs(name: string, subject: BlobsUnderTest): void {
  describe(`${name} keeps the Blobs contract`, () => {
    let blobs: Blobs
    beforeEach(async () => {
      blobs = await subject.open(capacity)
    })
    afterEach(async () => {
      await blobs.close()
      await subject.clean?.()
    })

    describe('whole blobs', () => {
      test.each([1, 77, 1024, chunkBytesMax, chunkBytesMax + 1, smallBlobBytesMax])(
        'gives back %i bytes as they were put',
        async (size) => {
          const { digest, bytes } = seededBlob(1, size)
          await blobs.put(digest, bytes)
          expect(Buffer.compare((await blobs.get(digest)) ?? empty.bytes, bytes)).toBe(0)
          expect(Buffer.compare((await readWhole(await blobs.read(digest))) ?? empty.bytes, bytes)).toBe(0)
        },
      )
      test.each([0, 1, smallBlobBytesMax, smallBlobBytesMax + 1])(
        'finds a blob of %i bytes by its hash alone, until it is deleted',
        async (size) => {
          const { digest, bytes } = size === 0 ? empty : seededBlob(3, size)
          if (size > 0) expect(await blobs.locate('sha256', digest.hash)).toBeUndefined()
          await blobs.put(digest, bytes)
          expect(await blobs.locate('sha256', digest.hash)).toEqual(digest)
          expect(await blobs.locate('sha256', absent.hash)).toBeUndefined()
          await blobs.delete(digest)
          if (size > 0) expect(await blobs.locate('sha256', digest.hash)).toBeUndefined()
        },
      )
      test('answers undefined for a blob that is absent', async () => {
        expect(await blobs.get(absent)).toBeUndefined()
        expect(await blobs.read(absent)).toBeUndefined()
      })
      test('takes a whole blob over the small bound, but gives it back in pieces only', async () => {
        const { digest, bytes } = seededBlob(2, 2 * megabyte + 5)
        await blobs.put(digest, bytes)
        await expect(blobs.get(digest)).rejects.toMatchObject({ kind: 'invalid' })
        expect(Buffer.compare((await readWhole(await blobs.read(digest))) ?? empty.bytes, bytes)).toBe(0)
      })
      test('keeps a copy of what it is given', async () => {
        const { digest, bytes } = blobOf('mine')
        const given = Buffer.from(bytes)
        await blobs.put(digest, given)
        given.fill(0)
        expect(await blobs.get(digest)).toEqual(expect.objectContaining({ length: 4 }))
        expect(Buffer.compare((await blobs.get(digest)) ?? empty.bytes, bytes)).toBe(0)
      })
      test('may be put twice, also at once', async () => {
        const { digest, bytes } = seededBlob(3, 5000)
        await Promise.all(Array.from({ length: 20 }, () => blobs.put(digest, bytes)))
        await blobs.put(digest, bytes)
        expect(Buffer.compare((await blobs.get(digest)) ?? empty.bytes, bytes)).toBe(0)
      })
      test('holds thousands that are put at once', async () => {
        const many = Array.from({ length: 3000 }, (_, at) => blobOf(`blob ${at}`))
        await Promise.all(many.map(({ digest, bytes }) => blobs.put(digest, bytes)))
        expect(await blobs.findMissing(many.map(({ digest }) => digest))).toEqual([])
        const back = await Promise.all(many.map(({ digest }) => blobs.get(digest)))
        expect(back.map((bytes) => Buffer.from(bytes ?? []).toString())).toEqual(many.map((_, at) => `blob ${at}`))
      })
    })

    describe('many whole blobs at once', () => {
      const statuses = (outcomes: readonly PromiseSettledResult<void>[]) => outcomes.map(({ status }) => status)
      async function expectThere(all: readonly Blob[]): Promise<void> {
        for (const { digest, bytes } of all)
          expect(Buffer.compare((await readWhole(await blobs.read(digest))) ?? absentBytes, bytes)).toBe(0)
      }

      test('stores small and large ones, the empty one, one twice, and one that is there already', async () => {
        const before = seededBlob(50, 3000)
        await blobs.put(before.digest, before.bytes)
        const many = Array.from({ length: 300 }, (_, at) => seededBlob(100 + at, 1 + at * 37))
        const large = seededBlob(51, smallBlobBytesMax + 1)
        const twice = seededBlob(52, 700_000)
        const all = [before, twice, ...many, empty, large, twice]
        expect(new Set(statuses(await blobs.putAll(all)))).toEqual(new Set(['fulfilled']))
        await expectThere(all)
        expect(await blobs.putAll([])).toEqual([])
      })
      test('tells of each what it was refused for, in the order given, and stores the others', async () => {
        const [first, second, last] = [seededBlob(1, 100), seededBlob(2, 2000), seededBlob(3, 30)]
        const otherBytes = { digest: blobOf('right').digest, bytes: blobOf('wrong').bytes }
        const short = { digest: blobOf('exactly this').digest, bytes: blobOf('exactly').bytes }
        const notEmpty = { digest: empty.digest, bytes: blobOf('x').bytes }
        const given = [first, otherBytes, empty, second, short, notEmpty, otherBytes, last]
        const outcomes = await blobs.putAll(given)
        expect(outcomes.map((each) => (each.status === 'rejected' ? each.reason.kind : undefined))).toEqual(
          given.map((each) => ([otherBytes, short, notEmpty].includes(each) ? 'invalid' : undefined)),
        )
        await expectThere([first, second, last])
        expect(await blobs.findMissing([otherBytes.digest, short.digest])).toEqual([otherBytes.digest, short.digest])
      })
      test('one that does not fit is refused by itself', async () => {
        const [small, after] = [seededBlob(1, 100), seededBlob(2, 5000)]
        const huge = seededBlob(3, capacity + 1)
        const outcomes = await blobs.putAll([small, huge, after])
        expect(statuses(outcomes)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
        expect(outcomes[1]).toMatchObject({ reason: { kind: 'exhausted' } })
        await expectThere([small, after])
      })
      test('keeps a copy of what it is given', async () => {
        const { digest, bytes } = seededBlob(1, 2000)
        const given = Buffer.from(bytes)
        await blobs.putAll([{ digest, bytes: given }])
        given.fill(0)
        await expectThere([{ digest, bytes }])
      })
      test('evicts what was not used for longest, once it is full', async () => {
        for (let at = 0; at < 40; at += 1) {
          const batch = Array.from({ length: 8 }, (_, part) => seededBlob(at * 10 + part, 400_000))
          expect(new Set(statuses(await blobs.putAll(batch)))).toEqual(new Set(['fulfilled']))
          await expectThere(batch)
        }
        expect(await blobs.findMissing([seededBlob(0, 400_000).digest])).toHaveLength(1)
      })
    })

    describe('only right bytes get in', () => {
      test('refuses bytes of another hash, and stores nothing', async () => {
        const { digest } = blobOf('right')
        await expect(blobs.put(digest, blobOf('wrong').bytes)).rejects.toMatchObject({ kind: 'invalid' })
        expect(await blobs.findMissing([digest])).toEqual([digest])
      })
      test('refuses fewer and more bytes than the digest says', async () => {
        const { digest, bytes } = blobOf('exactly this')
        await expect(blobs.put(digest, bytes.subarray(1))).rejects.toMatchObject({ kind: 'invalid' })
        await expect(blobs.put(digest, Buffer.concat([bytes, bytes]))).rejects.toMatchObject({ kind: 'invalid' })
        expect(await blobs.get(digest)).toBeUndefined()
      })
      test('rule 2: the right hash with another size is another blob', async () => {
        const { digest, bytes } = blobOf('sized')
        await blobs.put(digest, bytes)
        const other = { ...digest, size: digest.size + 1 }
        expect(await blobs.findMissing([other])).toEqual([other])
        expect(await blobs.get(other)).toBeUndefined()
        await expect(blobs.put(other, bytes)).rejects.toMatchObject({ kind: 'invalid' })
      })
      test.each(['sha1', 'sha384', 'sha512'] as const)('takes %s digests', async (fn) => {
        const bytes = Buffer.from('under another name')
        const digest = digestOf(fn, bytes)
        await blobs.put(digest, bytes)
        expect(Buffer.from((await blobs.get(digest)) ?? []).toString()).toBe('under another name')
        expect(await blobs.findMissing([digest, digestOf('sha256', bytes)])).toEqual([digestOf('sha256', bytes)])
      })
    })

    describe('the empty blob', () => {
      test.each(['sha256', 'sha1', 'sha384', 'sha512'] as const)('rule 1: always exists (%s)', async (fn) => {
        const digest = digestOf(fn, empty.bytes)
        expect(await blobs.findMissing([digest])).toEqual([])
        expect(await blobs.get(digest)).toHaveLength(0)
        expect(await readWhole(await blobs.read(digest))).toHaveLength(0)
        await blobs.put(digest, empty.bytes)
        const writer = await blobs.write(digest)
        await writer.commit()
        await blobs.delete(digest)
        expect(await blobs.findMissing([digest])).toEqual([])
      })
      test('rule 1: exists for BLAKE3 too', async () => {
        const hash = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
        expect(await blobs.findMissing([checkedDigest('blake3', hash, 0)])).toEqual([])
      })
      test('is the only blob of size 0', async () => {
        const other = { ...blobOf('x').digest, size: 0 }
        expect(await blobs.findMissing([other])).toEqual([other])
        expect(await blobs.get(other)).toBeUndefined()
        await expect(blobs.put(other, empty.bytes)).rejects.toMatchObject({ kind: 'invalid' })
        await expect((await blobs.write(other)).commit()).rejects.toMatchObject({ kind: 'invalid' })
      })
    })

    describe('findMissing', () => {
      test('names what is absent, each once, in order', async () => {
        const here = blobOf('here')
        await blobs.put(here.digest, here.bytes)
        const gone = Array.from({ length: 30 }, (_, at) => blobOf(`gone ${at}`).digest)
        expect(await blobs.findMissing([...gone, here.digest, ...gone])).toEqual(gone)
        expect(await blobs.findMissing([absent, here.digest, absent])).toEqual([absent])
        expect(await blobs.findMissing([])).toEqual([])
      })
    })

    describe('reading in pieces', () => {
      const large = seededBlob(7, 3 * megabyte + 11)
      const small = seededBlob(8, 300_000)
      beforeEach(async () => {
        await blobs.put(large.digest, large.bytes)
        await blobs.put(small.digest, small.bytes)
      })
      test('no piece is longer than chunkBytesMax, none is empty', async () => {
        for (const { digest } of [large, small])
          for await (const piece of (await blobs.read(digest)) ?? []) {
            expect(piece.byteLength).toBeGreaterThan(0)
            expect(piece.byteLength).toBeLessThanOrEqual(chunkBytesMax)
          }
      })
      test.each([
        [0, 1],
        [1, 1],
        [chunkBytesMax - 1, 2],
        [chunkBytesMax, undefined],
        [299_999, 5],
        [300_000, undefined],
        [123_456, 100_000_000],
      ])('rule 10: offset %s, limit %s gives the bytes that are there', async (offset, limit) => {
        const range = limit === undefined ? { offset } : { offset, limit }
        for (const { digest, bytes } of [large, small]) {
          const expected = bytes.subarray(offset, limit === undefined ? undefined : offset + limit)
          const actual = await readWhole(await blobs.read(digest, range))
          expect(Buffer.compare(actual ?? Buffer.from('undefined'), expected)).toBe(0)
        }
      })
      test('rule 10: an offset after the end is out of range', async () => {
        const range = { offset: small.digest.size + 1 }
        await expect(blobs.read(small.digest, range)).rejects.toMatchObject({ kind: 'out-of-range' })
        await expect(blobs.read(small.digest, { offset: -1 })).rejects.toMatchObject({ kind: 'out-of-range' })
      })
      test('may be left early', async () => {
        for await (const piece of (await blobs.read(large.digest)) ?? []) {
          expect(piece[0]).toBe(large.bytes[0])
          break
        }
        expect(await blobs.findMissing([large.digest])).toEqual([])
      })
      test('a blob that is deleted while it is read stays readable to its end', async () => {
        for (const { digest, bytes } of [large, small]) {
          const reading = await blobs.read(digest)
          await blobs.delete(digest)
          expect(await blobs.findMissing([digest])).toEqual([digest])
          expect(Buffer.compare((await readWhole(reading)) ?? empty.bytes, bytes)).toBe(0)
        }
      })
    })

    describe('writing in pieces', () => {
      test.each([10, 70_000, 600_000, 3 * megabyte])('%i bytes, in uneven pieces', async (size) => {
        const { digest, bytes } = seededBlob(9, size)
        const writer = await blobs.write(digest)
        for (let at = 0, step = 1; at < size; at += step, step = Math.min(step * 3, 200_000)) {
          expect(writer.written).toBe(at)
          const chunk = Buffer.from(bytes.subarray(at, at + step))
          await writer.write(chunk)
          chunk.fill(0)
        }
        expect(await blobs.findMissing([digest])).toEqual([digest])
        await writer.commit()
        expect(Buffer.compare((await readWhole(await blobs.read(digest))) ?? empty.bytes, bytes)).toBe(0)
      })
      test('rule 6: other bytes are refused at commit, and nothing is stored', async () => {
        for (const size of [100, 2 * megabyte]) {
          const { digest } = seededBlob(10, size)
          const writer = await blobs.write(digest)
          await writer.write(new Uint8Array(size))
          await expect(writer.commit()).rejects.toMatchObject({ kind: 'invalid' })
          await writer.abort()
          expect(await blobs.findMissing([digest])).toEqual([digest])
        }
      })
      test('too many bytes are refused at once, too few at commit', async () => {
        const { digest, bytes } = blobOf('ten bytes.')
        const long = await blobs.write(digest)
        await long.write(bytes)
        await expect(async () => long.write(bytes)).rejects.toMatchObject({ kind: 'invalid' })
        await long.abort()
        const short = await blobs.write(digest)
        await short.write(bytes.subarray(1))
        await expect(short.commit()).rejects.toMatchObject({ kind: 'invalid' })
        await short.abort()
        expect(await blobs.findMissing([digest])).toEqual([digest])
      })
      test('an aborted write leaves nothing and gives its room back', async () => {
        for (let round = 0; round < 10; round += 1) {
          const { digest, bytes } = seededBlob(round, 40 * megabyte)
          const writer = await blobs.write(digest)
          await writer.write(bytes.subarray(0, 1000))
          await writer.abort()
          await writer.abort()
          expect(await blobs.findMissing([digest])).toEqual([digest])
        }
      })
      test('two writers of one blob both succeed', async () => {
        for (const size of [5000, 2 * megabyte]) {
          const { digest, bytes } = seededBlob(11, size)
          const writers = await Promise.all([blobs.write(digest), blobs.write(digest)])
          for (const writer of writers) await writer.write(bytes)
          for (const writer of writers) await writer.commit()
          expect(Buffer.compare((await readWhole(await blobs.read(digest))) ?? empty.bytes, bytes)).toBe(0)
        }
      })
    })

    describe('room', () => {
      test('a blob that can never fit is refused before a byte is taken', async () => {
        const digest: Digest = { ...absent, size: capacity + 1 }
        await expect(blobs.write(digest)).rejects.toMatchObject({ kind: 'exhausted' })
      })
      test('a size that is announced takes no room, neither from what is there nor from other writes', async () => {
        const kept = seededBlob(22, 5 * megabyte)
        await blobs.put(kept.digest, kept.bytes)
        const announced = await Promise.all(
          Array.from({ length: 8 }, (_, at) => blobs.write(seededBlob(at, 60 * megabyte).digest)),
        )
        for (const writer of announced) await writer.write(new Uint8Array(10))
        expect(await blobs.findMissing([kept.digest])).toEqual([])
        const honest = seededBlob(20, 40 * megabyte)
        await blobs.put(honest.digest, honest.bytes)
        expect(await blobs.findMissing([honest.digest, kept.digest])).toEqual([])
        for (const writer of announced) await writer.abort()
      })
      test('bytes that have come count: those that do not fit beside them are refused, and fit after', async () => {
        const first = seededBlob(20, 40 * megabyte)
        const second = seededBlob(21, 40 * megabyte)
        const writer = await blobs.write(first.digest)
        await writer.write(first.bytes)
        const other = await blobs.write(second.digest)
        await expect(async () => other.write(second.bytes)).rejects.toMatchObject({ kind: 'exhausted' })
        expect(other.written).toBe(0)
        await writer.abort()
        // The very bytes that were refused.
        await other.write(second.bytes)
        await other.commit()
        expect(await blobs.findMissing([second.digest])).toEqual([])
      })
      test('what was not used for longest goes first', async () => {
        // Four times the capacity goes by; the one blob that is asked for on the way stays.
        const kept = seededBlob(30, 5000)
        const idle = seededBlob(31, 5000)
        await blobs.put(idle.digest, idle.bytes)
        await blobs.put(kept.digest, kept.bytes)
        for (let at = 0; at < 64; at += 1) {
          const { digest, bytes } = seededBlob(1000 + at, at % 2 ? 500_000 : 6 * megabyte)
          await blobs.put(digest, bytes)
          expect(await blobs.findMissing([digest, kept.digest])).toEqual([])
        }
        expect(await blobs.findMissing([idle.digest])).toEqual([idle.digest])
        expect(Buffer.compare((await blobs.get(kept.digest)) ?? empty.bytes, kept.bytes)).toBe(0)
      })
      test('a blob that is evicted while it is read stays readable to its end', async () => {
        for (const size of [2000, 700_000, 5 * megabyte]) {
          const { digest, bytes } = seededBlob(40, size)
          await blobs.put(digest, bytes)
          const reading = await blobs.read(digest)
          for (let at = 0; (await blobs.findMissing([blobOf('x').digest])).length > 0 && at < 30; at += 1) {
            const filler: Blob = seededBlob(2000 + size + at, at % 2 ? 900_000 : 5 * megabyte)
            await blobs.put(filler.digest, filler.bytes)
          }
          expect(await blobs.findMissing([digest])).toEqual([digest])
          expect(Buffer.compare((await readWhole(reading)) ?? empty.bytes, bytes)).toBe(0)
        }
      })
    })
  })

  describe(`${name} behaves as a map that may forget`, () => {
    afterEach(async () => subject.clean?.())

    test('random operations', async () => {
      await fc.assert(
        fc.asyncProperty(blobsModel.runs, async (operations) => {
          const blobs = await subject.open(blobsModel.capacity)
          try {
            await blobsModel.check(blobs, operations)
          } finally {
            await blobs.close()
            await subject.clean?.()
          }
        }),
        { numRuns: 60 },
      )
    }, 60_000)
  })
}
