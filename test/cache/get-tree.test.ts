import { describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { messageBytesMax, treeDepthMax } from '../../src/core/limits.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf, cas, codeOf, openCache, putDirectory, type TestCache, wire } from './fixture.ts'

async function pages(
  { channel }: TestCache,
  root: Digest,
  more: re.GetTreeRequest.$Properties = {},
): Promise<re.GetTreeResponse[]> {
  const request = re.GetTreeRequest.encode({ rootDigest: wire(root), ...more }).finish()
  const list: re.GetTreeResponse[] = []
  for await (const message of channel.serverStream(`${cas}/GetTree`, request)) {
    expect(message.length).toBeLessThanOrEqual(messageBytesMax)
    list.push(re.GetTreeResponse.decode(message))
  }
  return list
}

/** The digests of all directories, in the order in which they came. */
function digestsOf(list: readonly re.GetTreeResponse[]): Digest[] {
  return list.flatMap(({ directories }) => directories.map((each) => blobOf(re.Directory.encode(each).finish()).digest))
}

/** A directory that holds these under the names 0000, 0001 and so on. */
function parent(blobs: Blobs, children: readonly Digest[], padding = ''): Promise<Digest> {
  return putDirectory(blobs, {
    directories: children.map((digest, i) => ({ name: String(i).padStart(4, '0') + padding, digest: wire(digest) })),
  })
}

async function leaves(blobs: Blobs, count: number): Promise<Digest[]> {
  const list: Digest[] = []
  for (let i = 0; i < count; i += 1)
    list.push(await putDirectory(blobs, { files: [{ name: `f${i}`, digest: wire(blobOf(`${i}`).digest) }] }))
  return list
}

describe('GetTree', () => {
  test('rule 16: the root first, each distinct directory once, breadth first', async () => {
    const cache = openCache()
    const [a, b] = await leaves(cache.blobs, 2)
    if (!a || !b) throw new Error('two leaves')
    const middle = await parent(cache.blobs, [a, b])
    const root = await parent(cache.blobs, [middle, a, middle])
    const list = await pages(cache, root)
    expect(digestsOf(list)).toEqual([root, middle, a, b])
    expect(list.map(({ nextPageToken }) => nextPageToken)).toEqual([''])
  })

  test('rule 16: an absent root is NOT_FOUND', async () => {
    const cache = openCache()
    expect(await codeOf(pages(cache, blobOf('nothing').digest))).toBe('NOT_FOUND')
  })

  test('rule 16: absent sub-directories are skipped', async () => {
    const cache = openCache()
    const [a, b, c] = await leaves(cache.blobs, 3)
    if (!a || !b || !c) throw new Error('three leaves')
    const root = await parent(cache.blobs, [a, b, c])
    await cache.blobs.delete(b)
    expect(digestsOf(await pages(cache, root))).toEqual([root, a, c])
  })

  test('rule 1: the empty directory is the empty blob, and is there', async () => {
    const cache = openCache()
    const { digest } = blobOf('')
    expect((await pages(cache, digest)).map(({ directories }) => directories.length)).toEqual([1])
  })

  test('rule 16: pages as small as asked, and a token that goes on after each', async () => {
    const cache = openCache()
    const list = await leaves(cache.blobs, 10)
    const root = await parent(cache.blobs, list)
    const all = await pages(cache, root, { pageSize: 3 })
    expect(all.map(({ directories }) => directories.length)).toEqual([3, 3, 3, 2])
    expect(digestsOf(all)).toEqual([root, ...list])
    for (const [i, { nextPageToken }] of all.entries()) {
      expect(nextPageToken === '').toBe(i === 3)
      if (nextPageToken === '') continue
      const rest = await pages(cache, root, { pageToken: nextPageToken })
      expect(digestsOf(rest)).toEqual(digestsOf(all.slice(i + 1)))
    }
  })

  test('rule 16: messages stay under 4 MiB', async () => {
    const cache = openCache()
    const middles: Digest[] = []
    for (let i = 0; i < 60; i += 1) {
      const [leaf] = await leaves(cache.blobs, 1)
      const names = Array.from({ length: 500 }, () => leaf ?? blobOf('').digest)
      middles.push(await parent(cache.blobs, names, `${i}`.padStart(200, 'x')))
    }
    const root = await parent(cache.blobs, middles)
    const list = await pages(cache, root)
    expect(list.length).toBeGreaterThan(1)
    expect(digestsOf(list).length).toBe(62)
  })

  test('rule 16: a token that is none of ours, or of another tree, is INVALID_ARGUMENT', async () => {
    const cache = openCache()
    const list = await leaves(cache.blobs, 4)
    const root = await parent(cache.blobs, list)
    const [first] = await pages(cache, root, { pageSize: 2 })
    const other = await parent(cache.blobs, list.slice(1))
    for (const pageToken of ['nonsense', '////', 'x'.repeat(100_000), Buffer.from('1:ab').toString('base64url')])
      expect(await codeOf(pages(cache, root, { pageToken }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(pages(cache, other, { pageToken: first?.nextPageToken ?? '' }))).toBe('INVALID_ARGUMENT')
  })

  test('rule 39: a directory that is not canonical, or no Directory, is INVALID_ARGUMENT', async () => {
    const cache = openCache()
    const bad = await putDirectory(cache.blobs, { files: [{ name: '../x', digest: wire(blobOf('').digest) }] })
    const garbage = blobOf('\x0a\xff no directory')
    await cache.blobs.put(garbage.digest, garbage.bytes)
    const childless = await putDirectory(cache.blobs, { directories: [{ name: 'a' }] })
    for (const root of [bad, garbage.digest, childless, await parent(cache.blobs, [bad])])
      expect(await codeOf(pages(cache, root))).toBe('INVALID_ARGUMENT')
  })

  test('a tree that is too deep is INVALID_ARGUMENT', async () => {
    const cache = openCache()
    let root = blobOf('').digest
    for (let i = 0; i < treeDepthMax; i += 1) root = await parent(cache.blobs, [root])
    expect(digestsOf(await pages(cache, root)).length).toBe(treeDepthMax + 1)
    root = await parent(cache.blobs, [root])
    expect(await codeOf(pages(cache, root))).toBe('INVALID_ARGUMENT')
  })

  test('fields of a directory that are unknown to us survive', async () => {
    const cache = openCache()
    const bytes = Buffer.from('fa3e03616263', 'hex')
    const { digest } = blobOf(bytes)
    await cache.blobs.put(digest, bytes)
    const request = re.GetTreeRequest.encode({ rootDigest: wire(digest) }).finish()
    for await (const message of cache.channel.serverStream(`${cas}/GetTree`, request))
      expect(message.includes(bytes)).toBe(true)
  })

  test('bad requests are INVALID_ARGUMENT', async () => {
    const cache = openCache()
    const { digest } = blobOf('')
    expect(await codeOf(pages(cache, digest, { rootDigest: null }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(pages(cache, digest, { pageSize: -1 }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(pages(cache, digest, { instanceName: 'nowhere' }))).toBe('INVALID_ARGUMENT')
  })
})
