import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { type Digest, digestFromWire, digestFunctions } from '../../src/core/digest.ts'
import { computableFunctions, digestOf } from '../../src/core/hash.ts'
import { batchBytesMax, digestsPerCallMax } from '../../src/core/limits.ts'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import {
  batchRead,
  batchUpdate,
  blobName,
  blobOf,
  call,
  cas,
  codeOf,
  failureOf,
  findMissing,
  noise,
  openCache,
  readAll,
  type TestCache,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from './fixture.ts'

const { IDENTITY, ZSTD, DEFLATE } = re.Compressor.Value
const empty = blobOf('')
const hello = blobOf('hello')
const other = blobOf('other')

function codes(answer: re.BatchUpdateBlobsResponse | re.BatchReadBlobsResponse): (number | null | undefined)[] {
  return answer.responses.map((each) => each.status?.code)
}

describe('FindMissingBlobs', () => {
  test('rule 15: names what is absent and nothing else', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    const { missingBlobDigests } = await findMissing(channel, [hello.digest, other.digest])
    expect(missingBlobDigests).toEqual([wire(other.digest)])
  })

  test('rule 15: what is found counts as used and outlives what is not', async () => {
    const { channel, blobs } = openCache({ capacity: 3000 })
    const [old, kept, fresh] = [noise(1000, 1), noise(1000, 2), noise(1000, 3)].map((bytes) => blobOf(bytes))
    if (!old || !kept || !fresh) throw new Error('three blobs')
    for (const each of [kept, old, fresh]) await blobs.put(each.digest, each.bytes)
    await findMissing(channel, [kept.digest])
    const more = blobOf(noise(1000, 4))
    await batchUpdate(channel, { requests: [{ digest: wire(more.digest), data: more.bytes }] })
    const { missingBlobDigests } = await findMissing(channel, [old.digest, kept.digest])
    expect(missingBlobDigests).toEqual([wire(old.digest)])
  })

  test('rule 1: the empty blob is never missing', async () => {
    const { channel } = openCache()
    expect((await findMissing(channel, [empty.digest])).missingBlobDigests).toEqual([])
  })

  test('rule 2: the right hash with another size is missing', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    const wrong = { ...hello.digest, size: 6 }
    expect((await findMissing(channel, [wrong])).missingBlobDigests).toEqual([wire(wrong)])
  })

  test.each([
    ['upper-case', hello.digest.hash.toUpperCase(), 5],
    ['short', 'abc', 5],
    ['empty', '', 5],
    ['not hexadecimal', 'g'.repeat(64), 5],
    ['not ASCII', 'é'.repeat(32), 5],
    ['of negative size', hello.digest.hash, -1],
    ['of a size beyond 2^53', hello.digest.hash, 2 ** 60],
  ])('rule 2: a digest that is %s is INVALID_ARGUMENT', async (_, hash, sizeBytes) => {
    const { channel } = openCache()
    expect(await codeOf(findMissing(channel, [], { blobDigests: [{ hash, sizeBytes }] }))).toBe('INVALID_ARGUMENT')
  })

  test('rule 4: a function that is not named is told by the length of the hash', async () => {
    const { channel, blobs } = openCache()
    const unnamed = computableFunctions.filter((fn) => !digestFunctions[fn].named)
    const digests = unnamed.map((fn) => digestOf(fn, hello.bytes))
    for (const digest of digests) await blobs.put(digest, hello.bytes)
    expect((await findMissing(channel, digests)).missingBlobDigests).toEqual([])
  })

  test('rule 4: a function that the hash does not fit, or that is not computed, is INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    const sha1 = re.DigestFunction.Value.SHA1
    expect(await codeOf(findMissing(channel, [hello.digest], { digestFunction: sha1 }))).toBe('INVALID_ARGUMENT')
    const md5 = re.DigestFunction.Value.MD5
    expect(await codeOf(findMissing(channel, [hello.digest], { digestFunction: md5 }))).toBe('INVALID_ARGUMENT')
  })

  test('rule 34: the instances are those that were configured', async () => {
    const { channel } = openCache()
    for (const instanceName of ['', 'main', 'a/b'])
      expect((await findMissing(channel, [], { instanceName })).missingBlobDigests).toEqual([])
    const error = await failureOf(findMissing(channel, [], { instanceName: 'moon-outputs' }))
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(error.message).toContain('moon-outputs')
  })

  test('a malformed message is INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    expect(await codeOf(channel.unary(`${cas}/FindMissingBlobs`, Buffer.from('12ff', 'hex')))).toBe('INVALID_ARGUMENT')
  })

  test('more digests than a call may name are INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    const one = Buffer.from(re.FindMissingBlobsRequest.encode({ blobDigests: [{}] }).finish())
    const request = Buffer.concat(Array.from({ length: digestsPerCallMax + 1 }, () => one))
    const error = await failureOf(channel.unary(`${cas}/FindMissingBlobs`, request))
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(error.message).toContain(String(digestsPerCallMax))
  })

  test('10,000 digests in one call are answered', async () => {
    const { channel } = openCache()
    const digests = Array.from({ length: 10_000 }, (_, i) => digestOf('sha256', Buffer.from(String(i))))
    expect((await findMissing(channel, digests)).missingBlobDigests).toEqual(digests.map(wire))
  })
})

describe('BatchUpdateBlobs and BatchReadBlobs', () => {
  test('what is stored is read back, in the order asked', async () => {
    const { channel } = openCache()
    const both = [hello, other]
    const requests = both.map(({ digest, bytes }) => ({ digest: wire(digest), data: bytes }))
    expect(codes(await batchUpdate(channel, { requests }))).toEqual([0, 0])
    const { responses } = await batchRead(channel, { digests: [other, hello].map(({ digest }) => wire(digest)) })
    expect(responses.map(({ data }) => Buffer.from(data ?? []).toString())).toEqual(['other', 'hello'])
    expect(responses.map(({ digest }) => digest)).toEqual([wire(other.digest), wire(hello.digest)])
  })

  test('rule 12: each blob has its own status, and a wrong one does not spoil the others', async () => {
    const { channel } = openCache()
    const requests = [
      { digest: wire(hello.digest), data: other.bytes },
      { digest: wire({ ...other.digest, size: 4 }), data: other.bytes },
      { digest: wire(other.digest), data: other.bytes },
    ]
    const answer = await batchUpdate(channel, { requests })
    expect(codes(answer)).toEqual([Code.INVALID_ARGUMENT, Code.INVALID_ARGUMENT, 0])
    expect(answer.responses[0]?.status?.message).not.toBe('')
    expect((await findMissing(channel, [hello.digest, other.digest])).missingBlobDigests).toEqual([wire(hello.digest)])
  })

  test('rule 12: an absent blob is NOT_FOUND, the others come', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    const answer = await batchRead(channel, { digests: [wire(other.digest), wire(hello.digest)] })
    expect(codes(answer)).toEqual([Code.NOT_FOUND, 0])
  })

  test('rule 1: the empty blob is read without having been written', async () => {
    const { channel } = openCache()
    const answer = await batchRead(channel, { digests: [wire(empty.digest)] })
    expect(codes(answer)).toEqual([0])
    expect(answer.responses[0]?.data?.length ?? 0).toBe(0)
  })

  test('rule 12: a call over the limit is INVALID_ARGUMENT as a whole', async () => {
    const { channel } = openCache()
    const half = batchBytesMax / 2 + 1
    const digests = [wire({ ...hello.digest, size: half }), wire({ ...other.digest, size: half })]
    expect(await codeOf(batchRead(channel, { digests }))).toBe('INVALID_ARGUMENT')
    const requests = [{ digest: wire(hello.digest), data: Buffer.alloc(batchBytesMax + 1) }]
    expect(await codeOf(batchUpdate(channel, { requests }))).toBe('INVALID_ARGUMENT')
  })

  test('rule 13: a batch of just the limit is taken and given', async () => {
    const { channel } = openCache()
    const blob = blobOf(noise(batchBytesMax))
    expect(codes(await batchUpdate(channel, { requests: [{ digest: wire(blob.digest), data: blob.bytes }] }))).toEqual([
      0,
    ])
    const { responses } = await batchRead(channel, { digests: [wire(blob.digest)] })
    expect(blobOf(responses[0]?.data ?? '').digest).toEqual(blob.digest)
  })

  test('rule 14: compressed only for a client that takes it, and only where it helps', async () => {
    const { channel, blobs } = openCache()
    const text = blobOf('words '.repeat(1000))
    const dense = blobOf(noise(1000))
    for (const each of [text, dense]) await blobs.put(each.digest, each.bytes)
    const digests = [wire(text.digest), wire(dense.digest)]
    const plain = await batchRead(channel, { digests, acceptableCompressors: [DEFLATE] })
    expect(plain.responses.map((each) => each.compressor ?? IDENTITY)).toEqual([IDENTITY, IDENTITY])
    const packed = await batchRead(channel, { digests, acceptableCompressors: [ZSTD] })
    expect(packed.responses.map((each) => each.compressor ?? IDENTITY)).toEqual([ZSTD, IDENTITY])
    expect(blobOf(zstdDecompressSync(packed.responses[0]?.data ?? Buffer.alloc(0))).digest).toEqual(text.digest)
  })

  test('compressed uploads are unpacked; a bomb, a torn frame and another compressor are refused one by one', async () => {
    const { channel } = openCache()
    const text = blobOf('words '.repeat(1000))
    const packed = zstdCompressSync(text.bytes)
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024))
    const requests = [
      { digest: wire(text.digest), data: packed, compressor: ZSTD },
      { digest: wire(hello.digest), data: bomb, compressor: ZSTD },
      { digest: wire(other.digest), data: packed.subarray(0, 5), compressor: ZSTD },
      { digest: wire(other.digest), data: other.bytes, compressor: DEFLATE },
    ]
    const invalid = Code.INVALID_ARGUMENT
    expect(codes(await batchUpdate(channel, { requests }))).toEqual([0, invalid, invalid, invalid])
    expect((await findMissing(channel, [text.digest])).missingBlobDigests).toEqual([])
  })

  test('many small bombs that together unpack to more than a batch are refused before any is unpacked', async () => {
    const { channel } = openCache()
    const data = zstdCompressSync(Buffer.alloc(1024 * 1024))
    const requests = Array.from({ length: 8 }, (_, i) => ({
      digest: wire({ ...blobOf(`${i}`).digest, size: 1024 * 1024 }),
      data,
      compressor: ZSTD,
    }))
    expect(await codeOf(batchUpdate(channel, { requests }))).toBe('INVALID_ARGUMENT')
  })

  test('rule 17: a blob over max_cas_blob_size_bytes is INVALID_ARGUMENT, one without room RESOURCE_EXHAUSTED', async () => {
    const bounded = openCache({ blobSizeMax: 4 })
    const requests = [{ digest: wire(hello.digest), data: hello.bytes }]
    expect(codes(await batchUpdate(bounded.channel, { requests }))).toEqual([Code.INVALID_ARGUMENT])
    const tiny = openCache({ capacity: 4 })
    expect(codes(await batchUpdate(tiny.channel, { requests }))).toEqual([Code.RESOURCE_EXHAUSTED])
  })

  test('a blob without a digest is INVALID_ARGUMENT', async () => {
    const { channel } = openCache()
    expect(await codeOf(batchUpdate(channel, { requests: [{ data: hello.bytes }] }))).toBe('INVALID_ARGUMENT')
  })

  test('every function that capabilities name can be written and read', async () => {
    const { channel } = openCache()
    for (const fn of computableFunctions) {
      const digest = digestOf(fn, hello.bytes)
      const digestFunction = digestFunctions[fn].value
      const requests = [{ digest: wire(digest), data: hello.bytes }]
      expect(codes(await batchUpdate(channel, { requests, digestFunction }))).toEqual([0])
      const { responses } = await batchRead(channel, { digests: [wire(digest)], digestFunction })
      expect(responses.map((each) => each.digest)).toEqual([wire(digest)])
      expect((await findMissing(channel, [digest], { digestFunction })).missingBlobDigests).toEqual([])
    }
  })
})

describe('SplitBlob and SpliceBlob', () => {
  const chunks = [blobOf(noise(700_000, 1)), blobOf(noise(2_000_000, 2)), blobOf('end')]
  const whole = blobOf(Buffer.concat(chunks.map(({ bytes }) => bytes)))

  function splice(
    { channel }: TestCache,
    blob: Digest,
    parts: readonly Digest[],
    more: re.SpliceBlobRequest.$Properties = {},
  ): Promise<re.SpliceBlobResponse> {
    const request = { blobDigest: wire(blob), chunkDigests: parts.map(wire), ...more }
    return call(channel, `${cas}/SpliceBlob`, re.SpliceBlobRequest, request, re.SpliceBlobResponse)
  }

  async function withChunks(): Promise<{ cache: TestCache; parts: Digest[] }> {
    const cache = openCache()
    for (const { digest, bytes } of chunks) await cache.blobs.put(digest, bytes)
    return { cache, parts: chunks.map(({ digest }) => digest) }
  }

  test('rule 45: chunks that make the blob are spliced, twice if asked twice', async () => {
    const { cache, parts } = await withChunks()
    for (let i = 0; i < 2; i += 1)
      expect((await splice(cache, whole.digest, parts)).blobDigest).toEqual(wire(whole.digest))
    expect(blobOf(await readAll(cache.channel, blobName(whole.digest))).digest).toEqual(whole.digest)
  })

  test('rule 45: chunks that do not make the blob are INVALID_ARGUMENT, nothing is stored', async () => {
    const { cache, parts } = await withChunks()
    expect(await codeOf(splice(cache, whole.digest, [...parts].reverse()))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(splice(cache, whole.digest, parts.slice(1)))).toBe('INVALID_ARGUMENT')
    expect((await findMissing(cache.channel, [whole.digest])).missingBlobDigests.length).toBe(1)
  })

  test('rule 45: an absent chunk is NOT_FOUND', async () => {
    const { cache, parts } = await withChunks()
    for (const { digest } of chunks) await cache.blobs.delete(digest)
    expect(await codeOf(splice(cache, whole.digest, parts))).toBe('NOT_FOUND')
  })

  test('no blob, another instance and a blob too large are INVALID_ARGUMENT', async () => {
    const { cache, parts } = await withChunks()
    expect(await codeOf(splice(cache, whole.digest, parts, { blobDigest: null }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(splice(cache, whole.digest, parts, { instanceName: 'nowhere' }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(splice(openCache({ blobSizeMax: 100 }), whole.digest, parts))).toBe('INVALID_ARGUMENT')
  })

  const { FAST_CDC_2020, REP_MAX_CDC, UNKNOWN } = re.ChunkingFunction.Value

  async function split(
    { channel }: TestCache,
    blob: Digest,
    chunkingFunction = UNKNOWN,
  ): Promise<re.SplitBlobResponse> {
    const request = { blobDigest: wire(blob), chunkingFunction }
    return call(channel, `${cas}/SplitBlob`, re.SplitBlobRequest, request, re.SplitBlobResponse)
  }

  test.each([
    { asked: UNKNOWN, answered: FAST_CDC_2020 },
    { asked: FAST_CDC_2020, answered: FAST_CDC_2020 },
    { asked: REP_MAX_CDC, answered: REP_MAX_CDC },
  ])('a blob is split by function $asked; its chunks can be read, and make it again elsewhere', async (functions) => {
    const large = blobOf(noise(5_000_000, 3))
    const cache = openCache()
    await writeMessages(cache.channel, writeRequests(uploadName(large.digest), large.bytes, 1_000_000))
    const { chunkDigests, chunkingFunction } = await split(cache, large.digest, functions.asked)
    expect(chunkingFunction).toBe(functions.answered)
    const digests = chunkDigests.map((each) => digestFromWire(each, 0, 'chunk_digests'))
    const other = openCache()
    for (const digest of digests) await other.blobs.put(digest, await readAll(cache.channel, blobName(digest)))
    await splice(other, large.digest, digests, { chunkingFunction })
    expect(await split(other, large.digest, functions.asked)).toEqual({ chunkDigests, chunkingFunction })
    for (const { channel } of [cache, other]) {
      expect((await findMissing(channel, [large.digest])).missingBlobDigests).toEqual([])
      expect(blobOf(await readAll(channel, blobName(large.digest))).digest).toEqual(large.digest)
      const end = await readAll(channel, blobName(large.digest), { offset: 4_000_000 })
      expect(end).toEqual(Buffer.from(large.bytes.subarray(4_000_000)))
    }
  })

  test('a result refers to a blob in chunks as to one that is whole, until a chunk is gone', async () => {
    const large = blobOf(noise(5_000_000, 3))
    const cache = openCache()
    await writeMessages(cache.channel, writeRequests(uploadName(large.digest), large.bytes, 1_000_000))
    const results = createActionsClient(cache.channel)
    const { digest: action } = blobOf('an action')
    await results.update(action, { outputFiles: [{ path: 'out', digest: wire(large.digest) }] })
    const { chunkDigests } = await split(cache, large.digest)
    expect(await cache.blobs.findMissing([large.digest])).toEqual([large.digest])
    expect((await results.get(action))?.outputFiles?.[0]?.digest).toMatchObject(wire(large.digest))
    await cache.blobs.delete(digestFromWire(chunkDigests[1], 0, 'chunk_digests'))
    expect(await results.get(action)).toBeUndefined()
  })

  test('a blob that is absent cannot be split: NOT_FOUND; no digest is INVALID_ARGUMENT', async () => {
    const cache = openCache()
    expect(await codeOf(split(cache, whole.digest))).toBe('NOT_FOUND')
    expect(await codeOf(cache.channel.unary(`${cas}/SplitBlob`, Buffer.alloc(0)))).toBe('INVALID_ARGUMENT')
  })
})
