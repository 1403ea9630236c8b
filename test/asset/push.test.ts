import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/rpc.ts'
import { blobOf, codeOf, failureOf, putDirectory, wire } from '../cache/fixture.ts'
import { openAssets, openFile, qualifiers, type TestAssets } from './fixture.ts'

const [one, two, three] = [blobOf('one'), blobOf('two'), blobOf('three')]
const uri = 'urn:fdc:example.com:2026:one'

async function withBlobs(...args: Parameters<typeof openAssets>): Promise<TestAssets> {
  const assets = openAssets(...args)
  for (const { digest, bytes } of [one, two, three]) await assets.blobs.put(digest, bytes)
  return assets
}

describe('a pushed blob', () => {
  test('is fetched by each of its URIs, whatever the order of the qualifiers', async () => {
    const { pushBlob, fetchBlob } = await withBlobs()
    const set = qualifiers({ b: '2', a: '1', 'vcs.commit': 'abc' })
    await pushBlob({ uris: [uri, 'http://127.0.0.1:1/x'], qualifiers: set, blobDigest: wire(one.digest) })
    for (const each of [uri, 'http://127.0.0.1:1/x']) {
      const answer = await fetchBlob({ uris: ['urn:other', each], qualifiers: set.toReversed() })
      expect([answer.status?.code ?? 0, answer.uri, answer.blobDigest?.hash]).toEqual([0, each, one.digest.hash])
    }
  })

  test('is not fetched with other qualifiers, as a directory, or under another function', async () => {
    const { pushBlob, fetchBlob, fetchDirectory } = await withBlobs()
    await pushBlob({ uris: [uri], qualifiers: qualifiers({ a: '1' }), blobDigest: wire(one.digest) })
    for (const set of [{}, { a: '2' }, { a: '1', b: '2' }, { b: '1' }, { a1: '' }] as Record<string, string>[])
      expect((await fetchBlob({ uris: [uri], qualifiers: qualifiers(set) })).status?.code).toBe(Code.NOT_FOUND)
    const request = { uris: [uri], qualifiers: qualifiers({ a: '1' }) }
    expect((await fetchDirectory(request)).status?.code).toBe(Code.NOT_FOUND)
    expect((await fetchBlob({ ...request, digestFunction: 6 })).status?.code).toBe(Code.NOT_FOUND)
    expect((await fetchBlob(request)).blobDigest?.hash).toBe(one.digest.hash)
  })

  test('comes before what the origin has', async () => {
    const origin = await openFile(two.bytes)
    const { pushBlob, fetchBlob } = await withBlobs()
    await pushBlob({ uris: [origin.url], blobDigest: wire(one.digest) })
    expect((await fetchBlob({ uris: [origin.url] })).blobDigest?.hash).toBe(one.digest.hash)
    expect(origin.asked).toHaveLength(0)
  })

  test('is replaced by a later push, and expires', async () => {
    const { pushBlob, fetchBlob, clock } = await withBlobs()
    const push = (digest: typeof one.digest, seconds?: number) =>
      pushBlob({ uris: [uri], blobDigest: wire(digest), ...(seconds === undefined ? {} : { expireAt: { seconds } }) })
    const fetched = async () => (await fetchBlob({ uris: [uri] })).blobDigest?.hash
    await push(one.digest)
    await push(two.digest, 100)
    expect(await fetched()).toBe(two.digest.hash)
    clock.move(99_999)
    expect(await fetched()).toBe(two.digest.hash)
    clock.move(1)
    expect(await fetched()).toBeUndefined()
    await push(two.digest, 200)
    expect(await fetched()).toBe(two.digest.hash)
    await push(three.digest, 100)
    expect(await fetched()).toBeUndefined()
  })

  test('that is older than the client accepts is no answer', async () => {
    const { pushBlob, fetchBlob, clock } = await withBlobs()
    clock.move(50_000)
    await pushBlob({ uris: [uri], blobDigest: wire(one.digest) })
    const code = async (seconds: number) =>
      (await fetchBlob({ uris: [uri], oldestContentAccepted: { seconds } })).status?.code ?? 0
    expect([await code(50), await code(51)]).toEqual([Code.OK, Code.NOT_FOUND])
  })

  test('whose blobs are gone is no answer, and is one again when they are back', async () => {
    const { pushBlob, fetchBlob, blobs } = await withBlobs()
    await pushBlob({ uris: [uri], blobDigest: wire(one.digest), referencesBlobs: [wire(two.digest)] })
    for (const { digest, bytes } of [one, two]) {
      await blobs.delete(digest)
      expect((await fetchBlob({ uris: [uri] })).status?.code).toBe(Code.NOT_FOUND)
      await blobs.put(digest, bytes)
      expect((await fetchBlob({ uris: [uri] })).blobDigest?.hash).toBe(one.digest.hash)
    }
  })

  test('refers to directories with all that is in them', async () => {
    const { pushBlob, fetchBlob, blobs } = await withBlobs()
    const inner = await putDirectory(blobs, { files: [{ name: 'f', digest: wire(three.digest) }] })
    const outer = await putDirectory(blobs, { directories: [{ name: 'd', digest: wire(inner) }] })
    const request = { uris: [uri], blobDigest: wire(one.digest), referencesDirectories: [wire(outer)] }
    await pushBlob(request)
    await blobs.delete(three.digest)
    expect((await fetchBlob({ uris: [uri] })).status?.code).toBe(Code.NOT_FOUND)
    const error = await failureOf(pushBlob(request))
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    expect(error.details[0]?.type_url).toMatch(/PreconditionFailure$/)
  })

  test('counts as a use of all that it refers to', async () => {
    const used: string[] = []
    const { pushBlob, fetchBlob } = await withBlobs({
      decorate: (blobs) => ({
        ...blobs,
        findMissing(digests) {
          used.push(...digests.map(({ hash }) => hash))
          return blobs.findMissing(digests)
        },
      }),
    })
    await pushBlob({ uris: [uri], blobDigest: wire(one.digest), referencesBlobs: [wire(two.digest)] })
    used.length = 0
    await fetchBlob({ uris: [uri] })
    expect(used).toEqual(expect.arrayContaining([one.digest.hash, two.digest.hash]))
  })
})

describe('a pushed directory', () => {
  test('is fetched while all that is in it is there', async () => {
    const { pushDirectory, fetchDirectory, fetchBlob, blobs } = await withBlobs()
    const inner = await putDirectory(blobs, { files: [{ name: 'f', digest: wire(two.digest) }] })
    const root = await putDirectory(blobs, { directories: [{ name: 'd', digest: wire(inner) }] })
    await pushDirectory({ uris: [uri], rootDirectoryDigest: wire(root), referencesBlobs: [wire(one.digest)] })
    const answer = await fetchDirectory({ uris: [uri] })
    expect(answer).toMatchObject({ uri, rootDirectoryDigest: wire(root), digestFunction: 1 })
    expect((await fetchBlob({ uris: [uri] })).status?.code).toBe(Code.NOT_FOUND)
    for (const { digest, bytes } of [one, two]) {
      await blobs.delete(digest)
      expect((await fetchDirectory({ uris: [uri] })).status?.code).toBe(Code.NOT_FOUND)
      await blobs.put(digest, bytes)
    }
    expect((await fetchDirectory({ uris: [uri] })).rootDirectoryDigest).toMatchObject(wire(root))
  })

  test('that is none is INVALID_ARGUMENT, and an absent one FAILED_PRECONDITION', async () => {
    const { pushDirectory, blobs } = await withBlobs()
    const none = blobOf(Buffer.from([0xff, 0xff, 0xff]))
    expect(await codeOf(pushDirectory({ uris: [uri], rootDirectoryDigest: wire(none.digest) }))).toBe(
      'FAILED_PRECONDITION',
    )
    await blobs.put(none.digest, none.bytes)
    expect(await codeOf(pushDirectory({ uris: [uri], rootDirectoryDigest: wire(none.digest) }))).toBe(
      'INVALID_ARGUMENT',
    )
  })
})

describe('a push', () => {
  const blobDigest = wire(one.digest)

  test.each([
    ['without a URI', { uris: [], blobDigest }],
    ['without a digest', { uris: [uri] }],
    ['with a malformed digest', { uris: [uri], blobDigest: { hash: 'xyz', sizeBytes: 1 } }],
    ['of a function that is not its hash', { uris: [uri], blobDigest, digestFunction: 6 }],
    ['with a qualifier that stands twice', { uris: [uri], blobDigest, qualifiers: [{ name: 'a' }, { name: 'a' }] }],
    ['to an instance that there is not', { uris: [uri], blobDigest, instanceName: 'other' }],
    ['with a malformed reference', { uris: [uri], blobDigest, referencesBlobs: [{ hash: '' }] }],
    [
      'with too many references',
      { uris: [uri], blobDigest, referencesBlobs: Array.from({ length: 20_001 }, () => blobDigest) },
    ],
  ])('%s is INVALID_ARGUMENT', async (_what, request) => {
    const { pushBlob } = await withBlobs()
    expect(await codeOf(pushBlob(request))).toBe('INVALID_ARGUMENT')
  })

  test('of a blob that is absent names it, and leaves what was there', async () => {
    const { pushBlob, fetchBlob } = await withBlobs()
    await pushBlob({ uris: [uri], blobDigest })
    const absent = blobOf('absent')
    for (const request of [
      { uris: [uri], blobDigest: wire(absent.digest) },
      { uris: [uri], blobDigest: wire(two.digest), referencesBlobs: [wire(absent.digest)] },
    ])
      expect(await codeOf(pushBlob(request))).toBe('FAILED_PRECONDITION')
    expect((await fetchBlob({ uris: [uri] })).blobDigest).toMatchObject(blobDigest)
  })

  test('is PERMISSION_DENIED where clients may write no results', async () => {
    const { pushBlob, fetchBlob } = await withBlobs({ updateEnabled: false })
    expect(await codeOf(pushBlob({ uris: [uri], blobDigest }))).toBe('PERMISSION_DENIED')
    expect((await fetchBlob({ uris: [uri] })).status?.code).toBe(Code.NOT_FOUND)
  })

  test('of references as many as there may be is kept', async () => {
    const { pushBlob, fetchBlob } = await withBlobs()
    const referencesBlobs = Array.from({ length: 20_000 }, () => wire(two.digest))
    await pushBlob({ uris: [uri], blobDigest, referencesBlobs })
    expect((await fetchBlob({ uris: [uri] })).blobDigest).toMatchObject(blobDigest)
  })

  test('is not an action result, and no action result is one', async () => {
    const { pushBlob, results } = await withBlobs()
    await pushBlob({ uris: [uri], blobDigest })
    expect(await results.get({ ...one.digest, size: 2 ** 31 })).toBeUndefined()
  })
})
