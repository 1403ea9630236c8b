import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { idleMsMin, parkedMsMax, stalledMsMax } from '../../src/cache/upload-table.ts'
import { uploadsMax } from '../../src/cache/uploads.ts'
import { digestFunctions } from '../../src/core/digest.ts'
import { computableFunctions, digestOf } from '../../src/core/hash.ts'
import { smallBlobBytesMax } from '../../src/core/limits.ts'
import type { bytestream } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import {
  batchUpdate,
  blobName,
  blobOf,
  codeOf,
  failureOf,
  findMissing,
  noise,
  openCache,
  queryWrite,
  readAll,
  type TestCache,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from './fixture.ts'

const hello = blobOf('hello')
const large = blobOf(noise(3 * smallBlobBytesMax + 77))
const chunk = 64 * 1024

/** Sends the first `messages` of an upload, waits until they have been taken, then breaks the connection. */
async function breakOff(
  { channel }: TestCache,
  requests: Iterable<bytestream.WriteRequest.$Properties>,
  taken: () => Promise<boolean>,
): Promise<void> {
  const connection = new AbortController()
  async function* until(): AsyncGenerator<bytestream.WriteRequest.$Properties> {
    yield* requests
    while (!(await taken())) await Promise.resolve()
    connection.abort()
    await new Promise(() => undefined)
  }
  expect(await codeOf(writeMessages(channel, until(), { signal: connection.signal }))).toBe('CANCELLED')
}

/** An upload of `large` that broke after about half of it. */
async function half(cache: TestCache, name: string): Promise<number> {
  const first = [...writeRequests(name, large.bytes, chunk)].slice(0, 20)
  const sent = 20 * chunk
  await breakOff(cache, first, async () => (await queryWrite(cache.channel, name)).committedSize === sent)
  return sent
}

describe('Write', () => {
  test.each([1, 2, 5, 100])('a blob in messages of %i bytes', async (size) => {
    const { channel } = openCache()
    const sent = writeMessages(channel, writeRequests(uploadName(hello.digest), hello.bytes, size))
    expect(await sent).toBe(5)
    expect((await readAll(channel, blobName(hello.digest))).toString()).toBe('hello')
  })

  test('a large blob in pieces of any length', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 10_000, max: 2_000_000 }), async (size) => {
        const { channel } = openCache()
        expect(await writeMessages(channel, writeRequests(uploadName(large.digest), large.bytes, size))).toBe(
          large.digest.size,
        )
        expect(blobOf(await readAll(channel, blobName(large.digest))).digest).toEqual(large.digest)
      }),
      { numRuns: 8 },
    )
  })

  test('rule 1: the empty blob may be written', async () => {
    const { channel } = openCache()
    const empty = blobOf('')
    expect(await writeMessages(channel, writeRequests(uploadName(empty.digest), empty.bytes, 1))).toBe(0)
  })

  test('rule 3: metadata may follow the size; instances of no and many segments', async () => {
    const { channel } = openCache()
    for (const prefix of ['', 'main/', 'a/b/']) {
      const name = `${prefix}${uploadName(hello.digest)}/some/metadata.txt`
      expect(await writeMessages(channel, writeRequests(name, hello.bytes, 100))).toBe(5)
    }
  })

  test.each([
    '',
    'uploads',
    `uploads//blobs/${hello.digest.hash}/5`,
    blobName(hello.digest),
    `nowhere/${uploadName(hello.digest)}`,
    `uploads/u/blobs/${hello.digest.hash}/05`,
    `uploads/u/blobs/${hello.digest.hash}/99999999999999999999`,
    `uploads/u/blobs/${hello.digest.hash.slice(1)}/5`,
  ])('rule 3: the name %j is INVALID_ARGUMENT, for its status as well', async (name) => {
    const { channel } = openCache()
    expect(await codeOf(writeMessages(channel, writeRequests(name, hello.bytes, 100)))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(queryWrite(channel, name))).toBe('INVALID_ARGUMENT')
  })

  test('rule 4: each function that is computed can be written by name', async () => {
    const { channel } = openCache()
    for (const fn of computableFunctions) {
      const digest = digestOf(fn, hello.bytes)
      expect(await writeMessages(channel, writeRequests(uploadName(digest), hello.bytes, 2))).toBe(5)
      const digestFunction = digestFunctions[fn].value
      expect((await findMissing(channel, [digest], { digestFunction })).missingBlobDigests).toEqual([])
    }
  })

  test.each([100, 2])(
    'rule 6: other bytes than the digest says are INVALID_ARGUMENT, nothing stays (%i)',
    async (size) => {
      const { channel } = openCache()
      for (const text of ['HELLO', 'hell', 'hello!']) {
        const name = uploadName(hello.digest)
        const sent = writeMessages(channel, writeRequests(name, Buffer.from(text), size))
        expect(await codeOf(sent)).toBe('INVALID_ARGUMENT')
        expect(await queryWrite(channel, name)).toEqual({ committedSize: 0, complete: false })
      }
      expect((await findMissing(channel, [hello.digest])).missingBlobDigests).toEqual([wire(hello.digest)])
    },
  )

  test('rule 6: the name may stand in later messages, but must stay the same', async () => {
    const { channel } = openCache()
    const name = uploadName(hello.digest)
    const first = { resourceName: name, data: Buffer.from('hel') }
    const last = { writeOffset: 3, data: Buffer.from('lo'), finishWrite: true }
    expect(await writeMessages(channel, [first, { ...last, resourceName: name }])).toBe(5)
    const fresh = openCache().channel
    const changed = writeMessages(fresh, [first, { ...last, resourceName: uploadName(hello.digest) }])
    expect(await codeOf(changed)).toBe('INVALID_ARGUMENT')
  })

  test('a gap or an overlap between messages is INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    for (const writeOffset of [0, 2, 4, -1, 2 ** 60]) {
      const first = { resourceName: uploadName(hello.digest), data: Buffer.from('hel') }
      const last = { writeOffset, data: Buffer.from('lo'), finishWrite: true }
      expect(await codeOf(writeMessages(channel, [first, last]))).toBe('INVALID_ARGUMENT')
    }
  })

  test('no message, and one that is malformed, are INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    expect(await codeOf(writeMessages(channel, []))).toBe('INVALID_ARGUMENT')
    async function* garbage(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('52ff', 'hex')
    }
    expect(await codeOf(channel.clientStream('google.bytestream.ByteStream/Write', garbage()))).toBe('INVALID_ARGUMENT')
  })

  test('rule 7: a blob that is there ends the upload early, with its full size', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(large.digest, large.bytes)
    const first = [...writeRequests(uploadName(large.digest), large.bytes, chunk)].slice(0, 1)
    expect(await writeMessages(channel, first)).toBe(large.digest.size)
  })

  test('rule 7: of a compressed upload the early end is -1', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(large.digest, large.bytes)
    const name = uploadName(large.digest, 'u', true)
    const first = [...writeRequests(name, zstdCompressSync(large.bytes), chunk)].slice(0, 1)
    expect(await writeMessages(channel, first)).toBe(-1)
  })

  test.each([hello, large])(
    'rule 8: a compressed upload commits the compressed bytes (%#)',
    async ({ digest, bytes }) => {
      const { channel } = openCache()
      const packed = zstdCompressSync(bytes)
      for (const size of [packed.length, 50_000]) {
        const name = uploadName(digest, undefined, true)
        if (size === packed.length) expect(packed.length).toBeGreaterThan(5)
        const { channel: fresh } = size === packed.length ? { channel } : openCache()
        expect(await writeMessages(fresh, writeRequests(name, packed, size))).toBe(packed.length)
        expect(blobOf(await readAll(fresh, blobName(digest))).digest).toEqual(digest)
      }
    },
  )

  test.each([1_000_000, 1000])(
    'a zstd bomb is INVALID_ARGUMENT before it unfolds (messages of %i bytes)',
    async (size) => {
      const { channel } = openCache()
      const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024))
      for (const digest of [hello.digest, { ...hello.digest, size: 2 * smallBlobBytesMax }]) {
        const name = uploadName(digest, undefined, true)
        expect(await codeOf(writeMessages(channel, writeRequests(name, bomb, size)))).toBe('INVALID_ARGUMENT')
      }
    },
  )

  test('what is not zstd, or is cut off before finish_write, is INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    const packed = zstdCompressSync(large.bytes)
    for (const bytes of [noise(5000), packed.subarray(0, packed.length - 10), Buffer.alloc(0)]) {
      const name = uploadName(large.digest, undefined, true)
      expect(await codeOf(writeMessages(channel, writeRequests(name, bytes, chunk)))).toBe('INVALID_ARGUMENT')
    }
  })

  test('rule 17: too large is INVALID_ARGUMENT, no room is RESOURCE_EXHAUSTED', async () => {
    const bounded = openCache({ blobSizeMax: 4 }).channel
    for (const size of [2, 100])
      expect(await codeOf(writeMessages(bounded, writeRequests(uploadName(hello.digest), hello.bytes, size)))).toBe(
        'INVALID_ARGUMENT',
      )
    const tiny = openCache({ capacity: 4 }).channel
    for (const size of [2, 100])
      expect(await codeOf(writeMessages(tiny, writeRequests(uploadName(hello.digest), hello.bytes, size)))).toBe(
        'RESOURCE_EXHAUSTED',
      )
  })

  test('uploads of one blob at the same time all succeed', async () => {
    const { channel } = openCache()
    const uploads = Array.from({ length: 5 }, (_, i) =>
      writeMessages(channel, writeRequests(uploadName(large.digest), large.bytes, (i + 1) * 100_000)),
    )
    expect(await Promise.all(uploads)).toEqual(uploads.map(() => large.digest.size))
    expect(blobOf(await readAll(channel, blobName(large.digest))).digest).toEqual(large.digest)
  })
})

describe('resuming', () => {
  test('rule 11: the status of an upload that broke is what was taken, and it goes on there', async () => {
    const cache = openCache()
    const name = uploadName(large.digest)
    const sent = await half(cache, name)
    expect(await queryWrite(cache.channel, name)).toEqual({ committedSize: sent, complete: false })
    const rest = writeRequests(name, large.bytes.subarray(sent), chunk, sent)
    expect(await writeMessages(cache.channel, rest)).toBe(large.digest.size)
    expect(await queryWrite(cache.channel, name)).toEqual({ committedSize: large.digest.size, complete: true })
    expect(blobOf(await readAll(cache.channel, blobName(large.digest))).digest).toEqual(large.digest)
  })

  test('rule 11: nothing is known of a name that was never written, or of another uuid', async () => {
    const cache = openCache()
    await half(cache, uploadName(large.digest, 'one'))
    expect(await queryWrite(cache.channel, uploadName(large.digest, 'two'))).toEqual({
      committedSize: 0,
      complete: false,
    })
    const name = uploadName(large.digest, 'two')
    const resumed = writeMessages(cache.channel, writeRequests(name, large.bytes.subarray(100), chunk, 100))
    expect(await codeOf(resumed)).toBe('INVALID_ARGUMENT')
  })

  test('rule 11: a blob that is there is complete under any name', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    expect(await queryWrite(channel, uploadName(hello.digest))).toEqual({ committedSize: 5, complete: true })
    expect(await queryWrite(channel, uploadName(hello.digest, 'u', true))).toEqual({ committedSize: 5, complete: true })
  })

  test('rule 5: one uuid for two blobs is two uploads', async () => {
    const cache = openCache()
    const sent = await half(cache, uploadName(large.digest, 'same'))
    expect(await writeMessages(cache.channel, writeRequests(uploadName(hello.digest, 'same'), hello.bytes, 2))).toBe(5)
    const { committedSize } = await queryWrite(cache.channel, uploadName(large.digest, 'same'))
    expect(committedSize).toBe(sent)
  })

  test('an upload can be begun anew under the same name, in pieces or at once', async () => {
    for (const size of [chunk, 4_000_000]) {
      const cache = openCache()
      const name = uploadName(large.digest)
      await half(cache, name)
      expect(await writeMessages(cache.channel, writeRequests(name, large.bytes, size))).toBe(large.digest.size)
    }
  })

  test('a client may go back a little; what was taken already is left out', async () => {
    const cache = openCache()
    const name = uploadName(large.digest)
    const from = (await half(cache, name)) - 1000
    const rest = writeRequests(name, large.bytes.subarray(from), 300, from)
    expect(await writeMessages(cache.channel, rest)).toBe(large.digest.size)
  })

  test('an offset beyond what was taken is INVALID_ARGUMENT and keeps what was', async () => {
    const cache = openCache()
    const name = uploadName(large.digest)
    const sent = await half(cache, name)
    const rest = writeRequests(name, large.bytes.subarray(sent + 1), chunk, sent + 1)
    expect(await codeOf(writeMessages(cache.channel, rest))).toBe('INVALID_ARGUMENT')
    expect((await queryWrite(cache.channel, name)).committedSize).toBe(sent)
  })

  test('a stream that ends without finish_write answers what it took, and can be resumed', async () => {
    const { channel } = openCache()
    const name = uploadName(hello.digest)
    expect(await writeMessages(channel, [{ resourceName: name, data: Buffer.from('hel') }])).toBe(3)
    expect(await queryWrite(channel, name)).toEqual({ committedSize: 3, complete: false })
    expect(await writeMessages(channel, writeRequests(name, Buffer.from('lo'), 5, 3))).toBe(5)
  })

  test('rule 9: a compressed upload resumes at an uncompressed offset, with a frame of its own', async () => {
    const cache = openCache()
    const name = uploadName(large.digest, 'u', true)
    const packed = zstdCompressSync(large.bytes)
    const first = [...writeRequests(name, packed, chunk)].slice(0, 30)
    let taken = 0
    await breakOff(cache, first, async () => {
      taken = (await queryWrite(cache.channel, name)).committedSize
      return taken > 1_000_000
    })
    const { committedSize } = await queryWrite(cache.channel, name)
    expect(committedSize).toBeGreaterThanOrEqual(taken)
    const rest = zstdCompressSync(large.bytes.subarray(committedSize))
    // Later offsets add compressed bytes to an uncompressed one; so does committed_size.
    const answer = writeMessages(cache.channel, writeRequests(name, rest, chunk, committedSize))
    expect(await answer).toBe(committedSize + rest.length)
    expect(blobOf(await readAll(cache.channel, blobName(large.digest))).digest).toEqual(large.digest)
  })

  test('a compressed upload that ends without finish_write can be resumed too', async () => {
    const { channel } = openCache()
    const name = uploadName(large.digest, 'u', true)
    const packed = zstdCompressSync(large.bytes)
    const sent = await writeMessages(channel, [...writeRequests(name, packed, chunk)].slice(0, 30))
    expect(sent).toBe(30 * chunk)
    const { committedSize, complete } = await queryWrite(channel, name)
    expect(complete).toBe(false)
    const rest = zstdCompressSync(large.bytes.subarray(committedSize))
    await writeMessages(channel, writeRequests(name, rest, chunk, committedSize))
    expect(await queryWrite(channel, name)).toEqual({ committedSize: large.digest.size, complete: true })
  })

  test('a client that comes back takes the upload over from a stream that still hangs', async () => {
    const { channel } = openCache()
    const name = uploadName(hello.digest)
    const goOn = Promise.withResolvers<void>()
    async function* hanging(): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield { resourceName: name, data: Buffer.from('hel') }
      await goOn.promise
      yield { writeOffset: 3, data: Buffer.from('lo'), finishWrite: true }
    }
    const old = codeOf(writeMessages(channel, hanging()))
    while ((await queryWrite(channel, name)).committedSize < 3) await Promise.resolve()
    const half = writeMessages(channel, [{ resourceName: name, writeOffset: 3, data: Buffer.from('l') }])
    expect(await half).toBe(4)
    goOn.resolve()
    expect(await old).toBe('ABORTED')
    expect(await queryWrite(channel, name)).toEqual({ committedSize: 4, complete: false })
  })

  test('a parked upload is forgotten after a while and its space is given back', async () => {
    const { channel, clock, metrics } = openCache({ capacity: 1.5 * large.digest.size })
    const name = uploadName(large.digest)
    await writeMessages(channel, [{ resourceName: name, data: large.bytes.subarray(0, 1000) }])
    clock.move(parkedMsMax - 1)
    expect((await queryWrite(channel, name)).committedSize).toBe(1000)
    clock.move(1)
    expect((await queryWrite(channel, name)).committedSize).toBe(0)
    expect(await metrics.text()).toContain('native_cache_uploads 0')
    expect(await writeMessages(channel, writeRequests(uploadName(large.digest), large.bytes, chunk))).toBe(
      large.digest.size,
    )
  })

  test('a stream that brings nothing for long loses its upload', async () => {
    const { channel, clock, metrics } = openCache()
    const name = uploadName(hello.digest)
    const goOn = Promise.withResolvers<void>()
    async function* hanging(): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield { resourceName: name, data: Buffer.from('hel') }
      await goOn.promise
      yield { writeOffset: 3, data: Buffer.from('lo'), finishWrite: true }
    }
    const stalled = codeOf(writeMessages(channel, hanging()))
    while ((await queryWrite(channel, name)).committedSize < 3) await Promise.resolve()
    clock.move(stalledMsMax - 1)
    expect((await queryWrite(channel, name)).committedSize).toBe(3)
    clock.move(1)
    clock.move(parkedMsMax)
    expect((await queryWrite(channel, name)).committedSize).toBe(0)
    expect(await metrics.text()).toContain('native_cache_uploads 0')
    goOn.resolve()
    expect(await stalled).toBe('ABORTED')
  })

  test('space that parked uploads hold is given up before a live one is refused', async () => {
    const { channel } = openCache({ capacity: 1.5 * large.digest.size })
    await writeMessages(channel, [{ resourceName: uploadName(large.digest), data: large.bytes.subarray(0, 1000) }])
    expect(await writeMessages(channel, writeRequests(uploadName(large.digest), large.bytes, chunk))).toBe(
      large.digest.size,
    )
  })

  test.each(['whole', 'pieces', 'batch'])('so is space of uploads that stand still (%s)', async (how) => {
    const { channel, clock } = openCache({ capacity: 1.5 * large.digest.size })
    const small = blobOf(noise(2_000_000, 2))
    const store = (): Promise<unknown> => {
      const name = uploadName(small.digest)
      if (how === 'whole') return writeMessages(channel, writeRequests(name, small.bytes, small.bytes.length))
      if (how === 'pieces') return writeMessages(channel, writeRequests(name, small.bytes, chunk))
      return batchUpdate(channel, { requests: [{ digest: wire(small.digest), data: small.bytes }] })
    }
    const goOn = Promise.withResolvers<void>()
    const most = large.bytes.subarray(0, large.digest.size - 1)
    async function* hanging(): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield { resourceName: uploadName(large.digest, 'stands'), data: most }
      await goOn.promise
      yield { writeOffset: most.length, data: Buffer.from('y') }
    }
    const standing = codeOf(writeMessages(channel, hanging()))
    const stands = uploadName(large.digest, 'stands')
    while ((await queryWrite(channel, stands)).committedSize < most.length) await Promise.resolve()
    clock.move(idleMsMin - 1)
    if (how === 'batch') await store()
    else expect(await codeOf(store())).toBe('RESOURCE_EXHAUSTED')
    expect((await findMissing(channel, [small.digest])).missingBlobDigests.length).toBe(1)
    clock.move(1)
    await store()
    expect((await findMissing(channel, [small.digest])).missingBlobDigests).toEqual([])
    goOn.resolve()
    expect(await standing).toBe('ABORTED')
  })

  test('what uploads only announce takes no space from others', async () => {
    const { channel } = openCache({ capacity: 1.5 * large.digest.size })
    const kept = blobOf(noise(1_000_000, 3))
    await writeMessages(channel, writeRequests(uploadName(kept.digest), kept.bytes, chunk))
    const goOn = Promise.withResolvers<void>()
    async function* hanging(name: string): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield { resourceName: name, data: Buffer.from('x') }
      await goOn.promise
    }
    const names = Array.from({ length: 20 }, (_, at) => uploadName(large.digest, `announced-${at}`))
    const standing = names.map((name) => writeMessages(channel, hanging(name)))
    for (const name of names) while ((await queryWrite(channel, name)).committedSize < 1) await Promise.resolve()
    expect((await findMissing(channel, [kept.digest])).missingBlobDigests).toEqual([])
    const honest = blobOf(noise(2_000_000, 4))
    await writeMessages(channel, writeRequests(uploadName(honest.digest), honest.bytes, chunk))
    expect((await findMissing(channel, [kept.digest, honest.digest])).missingBlobDigests).toEqual([])
    goOn.resolve()
    await Promise.all(standing)
  })

  test('uploads are bounded: the longest parked goes first, and a flood of live ones hears when to come back', async () => {
    const { channel, metrics } = openCache()
    const parked = uploadName(hello.digest, 'parked')
    await writeMessages(channel, [{ resourceName: parked, data: Buffer.from('h') }])
    const done = Promise.withResolvers<void>()
    async function* hanging(i: number): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield { resourceName: uploadName(hello.digest, `live-${i}`), data: Buffer.from('h') }
      await done.promise
    }
    const live = Array.from({ length: uploadsMax }, (_, i) => writeMessages(channel, hanging(i)))
    while (!(await metrics.text()).includes(`native_cache_uploads ${uploadsMax}\n`)) await Promise.resolve()
    expect((await queryWrite(channel, parked)).committedSize).toBe(0)
    const error = await failureOf(
      writeMessages(channel, [{ resourceName: uploadName(hello.digest, 'more'), data: Buffer.from('h') }]),
    )
    expect(error.code).toBe(Code.UNAVAILABLE)
    expect(error.details.map((each) => each.type_url)).toEqual(['type.googleapis.com/google.rpc.RetryInfo'])
    done.resolve()
    expect(await Promise.all(live)).toEqual(live.map(() => 1))
    expect(await writeMessages(channel, writeRequests(uploadName(hello.digest), hello.bytes, 2))).toBe(5)
  })

  test('a client that has all uploads gives its oldest one up for a client that has none', async () => {
    const { channel, services, clock, metrics } = openCache()
    const done = Promise.withResolvers<void>()
    async function* hanging(i: number): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield { resourceName: uploadName(hello.digest, `live-${i}`), data: Buffer.from('h') }
      await done.promise
      yield { resourceName: '', writeOffset: 1, data: Buffer.from('e') }
    }
    const first = failureOf(writeMessages(channel, hanging(0)))
    while (!(await metrics.text()).includes('native_cache_uploads 1\n')) await Promise.resolve()
    clock.move(1)
    const live = Array.from({ length: uploadsMax - 1 }, (_, i) => writeMessages(channel, hanging(i + 1)))
    while (!(await metrics.text()).includes(`native_cache_uploads ${uploadsMax}\n`)) await Promise.resolve()
    const other = memoryChannel(services, { peer: 'other' })
    const whole = await writeMessages(other, writeRequests(uploadName(large.digest), large.bytes, chunk))
    expect(whole).toBe(large.digest.size)
    done.resolve()
    expect((await first).code).toBe(Code.ABORTED)
    expect(await Promise.all(live)).toEqual(live.map(() => 2))
  })
})
