import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { blobOf, codeOf, noise, wire } from '../cache/fixture.ts'
import { openAssets, openFile, qualifiers, type TestAssets } from './fixture.ts'

type Entry = Parameters<ReturnType<typeof pack>['entry']>[0] & { readonly bytes?: Buffer | string }

/** A tar file of these entries, as tar-stream writes it. */
async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const { bytes = '', ...header } of entries) tar.entry(header, bytes)
  tar.finalize()
  const pieces: Buffer[] = []
  for await (const piece of tar) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

const large = blobOf(noise(2_500_000))
const entries: Entry[] = [
  { name: './', type: 'directory' },
  { name: './bin/tool', mode: 0o755, bytes: 'run' },
  { name: 'lib/z', bytes: 'z' },
  { name: 'lib/a', bytes: 'old' },
  { name: 'lib/a', bytes: Buffer.from(large.bytes) },
  { name: 'lib/', type: 'directory' },
  { name: 'lib/b', type: 'link', linkname: 'lib/z' },
  { name: 'lib/up', type: 'symlink', linkname: '../bin/tool' },
  { name: `deep/${'x'.repeat(120)}/${'y'.repeat(120)}/f`, bytes: '' },
  { name: 'empty', type: 'directory' },
]
const sri = (bytes: Uint8Array, fn = 'sha256') => ({
  'checksum.sri': `${fn}-${createHash(fn).update(bytes).digest('base64')}`,
})

/** A directory's message. */
async function read({ blobs }: TestAssets, digest: re.Digest.$Properties | null | undefined): Promise<re.Directory> {
  const bytes = await blobs.get({ fn: 'sha256', hash: digest?.hash ?? '', size: digest?.sizeBytes ?? 0 })
  return re.Directory.decode(bytes ?? new Uint8Array(0))
}

describe('an archive', () => {
  test.each([
    ['tar', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('in %s becomes a canonical directory with all of its blobs', async (_what, packed) => {
    const origin = await openFile(packed(await tarOf(entries)))
    const assets = openAssets()
    const answer = await assets.fetchDirectory({ uris: [origin.url] })
    expect([answer.status?.message ?? '', answer.uri]).toEqual(['', origin.url])
    const root = await read(assets, answer.rootDirectoryDigest)
    expect(root.directories.map(({ name }) => name)).toEqual(['bin', 'deep', 'empty', 'lib'])
    const [bin, , empty, lib] = await Promise.all(root.directories.map(({ digest }) => read(assets, digest)))
    expect(bin?.files).toMatchObject([{ name: 'tool', isExecutable: true, digest: wire(blobOf('run').digest) }])
    expect(empty?.files).toEqual([])
    expect(lib?.files).toMatchObject([
      { name: 'a', digest: wire(large.digest), isExecutable: false },
      { name: 'b', digest: wire(blobOf('z').digest) },
      { name: 'z', digest: wire(blobOf('z').digest) },
    ])
    expect(lib?.symlinks).toMatchObject([{ name: 'up', target: '../bin/tool' }])
    // A push of it, which asks for all that is in it, is taken.
    await assets.pushDirectory({ uris: ['urn:x'], rootDirectoryDigest: answer.rootDirectoryDigest ?? null })
  })

  test('is asked for once where there is a checksum, for each of its folders', async () => {
    const bytes = gzipSync(await tarOf(entries))
    const origin = await openFile(bytes)
    const assets = openAssets()
    const fetch = (more: Record<string, string>) =>
      assets.fetchDirectory({ uris: [origin.url], qualifiers: qualifiers({ ...sri(bytes, 'sha512'), ...more }) })
    const all = await fetch({})
    const lib = await fetch({ directory: 'lib' })
    expect((await read(assets, lib.rootDirectoryDigest)).files).toHaveLength(3)
    origin.close()
    expect((await fetch({})).rootDirectoryDigest).toEqual(all.rootDirectoryDigest)
    expect((await fetch({ directory: 'lib' })).rootDirectoryDigest).toEqual(lib.rootDirectoryDigest)
    expect(origin.asked).toHaveLength(1)
    // What is gone of it is made of the archive again.
    await assets.blobs.delete(large.digest)
    expect((await fetch({})).rootDirectoryDigest).toEqual(all.rootDirectoryDigest)
    expect(await assets.blobs.findMissing([large.digest])).toEqual([])
    expect((await fetch({ directory: 'lib/none' })).status?.code).toBe(Code.NOT_FOUND)
    expect((await fetch({ directory: 'bin/tool' })).status?.code).toBe(Code.NOT_FOUND)
  })

  test('is asked for each time where there is none', async () => {
    const origin = await openFile(await tarOf(entries))
    const { fetchDirectory } = openAssets()
    for (const count of [1, 2]) {
      await fetchDirectory({ uris: [origin.url] })
      expect(origin.asked).toHaveLength(count)
    }
  })

  test.each<[string, readonly Entry[]]>([
    ['a path that leads out', [{ name: '../x', bytes: 'x' }]],
    ['a path that leads out within', [{ name: 'a/../../x', bytes: 'x' }]],
    ['a device', [{ name: 'x', type: 'character-device' }]],
    ['a pipe', [{ name: 'x', type: 'fifo' }]],
    ['a hard link to nothing', [{ name: 'x', type: 'link', linkname: 'y' }]],
    ['a hard link out', [{ name: 'x', type: 'link', linkname: '../../etc/passwd' }]],
    [
      'a file below a file',
      [
        { name: 'x', bytes: 'x' },
        { name: 'x/y', bytes: 'y' },
      ],
    ],
    [
      'a file below a link',
      [
        { name: 'x', type: 'symlink', linkname: '/etc' },
        { name: 'x/y', bytes: 'y' },
      ],
    ],
    [
      'a file in the place of a folder',
      [
        { name: 'x/y', bytes: 'y' },
        { name: 'x', bytes: 'x' },
      ],
    ],
    ['a name that is too long', [{ name: 'x'.repeat(256), bytes: 'x' }]],
    ['too deep a path', [{ name: 'x/'.repeat(600), type: 'directory' }]],
  ])('with %s is ABORTED', async (_what, list) => {
    const origin = await openFile(await tarOf(list))
    const answer = await openAssets().fetchDirectory({ uris: [origin.url] })
    expect([answer.status?.code, answer.uri]).toEqual([Code.ABORTED, origin.url])
  })

  test.each([
    ['no archive', Buffer.from('<html></html>')],
    ['nothing', Buffer.alloc(0)],
    ['half of one', gzipSync(Buffer.alloc(100_000)).subarray(0, 50)],
  ])('that is %s is ABORTED', async (_what, bytes) => {
    const origin = await openFile(bytes)
    expect((await openAssets().fetchDirectory({ uris: [origin.url] })).status?.code).toBe(Code.ABORTED)
  })

  test('that expands beyond what the cache takes is refused', async () => {
    const many = Array.from({ length: 20 }, (_, at): Entry => ({ name: `${at}`, bytes: Buffer.alloc(1_000_000, at) }))
    const { fetchDirectory } = openAssets({ blobSizeMax: 10_000_000 })
    for (const [list, code, words] of [
      [[{ name: 'x', bytes: Buffer.alloc(20_000_000) }], Code.RESOURCE_EXHAUSTED, /more than the 10000000 bytes/],
      [many, Code.ABORTED, /expands to more than/],
    ] as const) {
      const origin = await openFile(gzipSync(await tarOf(list)))
      const answer = await fetchDirectory({ uris: [origin.url] })
      expect(answer.status?.code).toBe(code)
      expect(answer.status?.message).toMatch(words)
    }
  })
})

test.each(['/lib', 'lib/', 'a//b', '.', '../x', 'a/./b'])('the folder "%s" is INVALID_ARGUMENT', async (directory) => {
  const request = { uris: ['http://127.0.0.1:1/'], qualifiers: qualifiers({ directory }) }
  expect(await codeOf(openAssets().fetchDirectory(request))).toBe('INVALID_ARGUMENT')
})

test('a repository is INVALID_ARGUMENT, and what is neither pushed nor fetched is NOT_FOUND', async () => {
  const { fetchDirectory } = openAssets()
  for (const set of [{ resource_type: 'application/x-git' }, { 'vcs.branch': 'main' }] as Record<string, string>[])
    expect(await codeOf(fetchDirectory({ uris: ['http://127.0.0.1:1/'], qualifiers: qualifiers(set) }))).toBe(
      'INVALID_ARGUMENT',
    )
  expect((await fetchDirectory({ uris: ['urn:x'] })).status?.code).toBe(Code.NOT_FOUND)
})
