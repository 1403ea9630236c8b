import { readFileSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { digestText } from '../../src/core/digest.ts'
import { Failure } from '../../src/core/failure.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { retryLater } from '../../src/wire/status.ts'
import { blobOf, readWhole, seededBlob } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { openRemote, promptClock } from './remote.ts'

const broken = () => new RpcError(Code.UNAVAILABLE, 'the connection broke')
const source = ({ digest, bytes }: ReturnType<typeof blobOf>) => ({ digest, content: bytes })
const fast = { attemptsMax: 5, parallel: 4, clock: promptClock }

describe('upload', () => {
  test('small blobs go in few batches, large ones as streams, and all arrive', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const blobs = [...Array.from({ length: 300 }, (_, i) => seededBlob(i, 20_000)), seededBlob(7, 3_000_000)]
    await cas.upload(blobs.map(source))
    expect(remote.calls.get('BatchUpdateBlobs')).toBe(2)
    expect(remote.calls.get('Write')).toBe(1)
    expect(await remote.blobs.findMissing(blobs.map((each) => each.digest))).toEqual([])
  })

  test('the server is asked first, and only what it lacks is sent', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const [a, b] = [blobOf('a'), blobOf('b')]
    await cas.upload([source(a)])
    expect(await cas.uploadMissing([source(a), source(b), source(b)])).toEqual({ blobs: 1, bytes: 1, present: 1 })
    expect(await cas.uploadMissing([source(a), source(b)])).toEqual({ blobs: 0, bytes: 0, present: 2 })
    expect(remote.calls.get('BatchUpdateBlobs')).toBe(2)
  })

  test('rule 1: the empty blob is neither asked for nor sent, and reads as empty', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const empty = blobOf('')
    expect(await cas.uploadMissing([source(empty)])).toEqual({ blobs: 0, bytes: 0, present: 1 })
    expect((await cas.readBlob(empty.digest)).byteLength).toBe(0)
    expect(remote.calls.size).toBe(0)
  })

  test('a broken stream goes on where the server says that it stopped', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel, fast)
    const blob = seededBlob(1, 4_000_000)
    remote.breakNext('Write', 5, broken())
    await cas.upload([source(blob)])
    expect(remote.calls.get('QueryWriteStatus')).toBe(1)
    expect(await readWhole(await remote.blobs.read(blob.digest))).toEqual(blob.bytes)
  })

  test('rule 8: a compressed stream that breaks begins anew', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel, { ...fast, zstd: true })
    const blob = seededBlob(1, 4_000_000)
    remote.breakNext('Write', 1, broken())
    await cas.upload([source(blob)])
    expect(remote.calls.get('QueryWriteStatus')).toBeUndefined()
    expect(await readWhole(await remote.blobs.read(blob.digest))).toEqual(blob.bytes)
  })

  test('files are read when they are sent; one that was changed meanwhile is named', async () => {
    const folder = await testFolder()
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const blob = seededBlob(3, 2_000_000)
    const path = join(folder, 'f')
    writeFileSync(path, blob.bytes)
    await cas.upload([{ digest: blob.digest, content: path }])
    expect(await readWhole(await remote.blobs.read(blob.digest))).toEqual(blob.bytes)
    writeFileSync(path, 'shorter')
    await expect(cas.upload([{ digest: seededBlob(4, 2_000_000).digest, content: path }])).rejects.toMatchObject({
      kind: 'invalid',
      where: path,
    })
  })

  test('bytes that are not the digest fail at once, naming it', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const { digest } = blobOf('right')
    await expect(cas.upload([{ digest, content: Buffer.from('wrong') }])).rejects.toMatchObject({
      code: Code.INVALID_ARGUMENT,
      message: expect.stringContaining(digestText(digest)),
    })
    expect(remote.calls.get('BatchUpdateBlobs')).toBe(1)
  })

  test('rule 44: a call with RetryInfo is made again', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    remote.failNext('FindMissingBlobs', retryLater('draining', 5))
    expect(await cas.findMissing([blobOf('x').digest])).toHaveLength(1)
    expect(remote.calls.get('FindMissingBlobs')).toBe(2)
  })
})

describe('findMissing', () => {
  test('25,000 digests are asked for in three calls, and each absent one is told once', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const here = blobOf('here')
    await cas.upload([source(here)])
    const digests = Array.from({ length: 25_000 }, (_, i) => blobOf(`${i}`).digest)
    const missing = await cas.findMissing([...digests, here.digest, ...digests.slice(0, 10)])
    expect(missing).toEqual(digests)
    expect(remote.calls.get('FindMissingBlobs')).toBe(3)
  })
})

describe('download', () => {
  test('many blobs at once; absent ones are left out', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const blobs = [blobOf('a'), blobOf(''), seededBlob(1, 2_500_000)]
    await cas.upload(blobs.map(source))
    const absent = blobOf('absent')
    const found = await cas.readBlobs([...blobs, absent].map((each) => each.digest))
    expect(found.size).toBe(3)
    for (const { digest, bytes } of blobs)
      expect(Buffer.compare(found.get(digestText(digest)) ?? Buffer.from('?'), bytes)).toBe(0)
    await expect(cas.readBlob(absent.digest)).rejects.toMatchObject({
      kind: 'not-found',
      where: digestText(absent.digest),
    })
  })

  test.each([false, true])('a stream that breaks is taken up where it stopped (zstd: %s)', async (zstd) => {
    const folder = await testFolder()
    const remote = openRemote()
    const cas = createCasClient(remote.channel, { ...fast, zstd })
    const blob = seededBlob(2, 5_000_000)
    await cas.upload([source(blob)])
    remote.breakNext('Read', zstd ? 0 : 3, broken())
    await cas.downloadFile(blob.digest, join(folder, 'out'), 0o644)
    expect(Buffer.compare(readFileSync(join(folder, 'out')), blob.bytes)).toBe(0)
    expect(remote.calls.get('Read')).toBe(2)
  })

  test('a failed download leaves no file', async () => {
    const folder = await testFolder()
    const cas = createCasClient(openRemote().channel)
    await expect(cas.downloadFile(blobOf('nowhere').digest, join(folder, 'out'), 0o644)).rejects.toBeInstanceOf(Failure)
    expect(await readdir(folder)).toEqual([])
  })

  test('a signal ends a call', async () => {
    const cas = createCasClient(openRemote().channel)
    await expect(cas.findMissing([blobOf('x').digest], AbortSignal.abort())).rejects.toMatchObject({
      code: Code.CANCELLED,
    })
  })
})
