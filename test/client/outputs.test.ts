import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { materialiseOutputs } from '../../src/client/outputs.ts'
import { assertInside, pathSegments } from '../../src/client/paths.ts'
import { placeEntries } from '../../src/client/place.ts'
import { compareOutputs } from '../../src/client/plan.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf, seededBlob } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { openRemote } from './remote.ts'

async function openOutputs() {
  const cas = createCasClient(openRemote().channel)
  const put = async (bytes: Uint8Array | string) => {
    const blob = blobOf(bytes)
    await cas.upload([{ digest: blob.digest, content: blob.bytes }])
    return wireDigest(blob.digest)
  }
  return { cas, put, folder: await testFolder() }
}

test('files, trees, empty folders, symlinks and executable bits come back; the older symlink fields once', async () => {
  const { cas, put, folder } = await openOutputs()
  const child = re.Directory.encode({ files: [{ name: 'f', digest: await put('deep'), isExecutable: true }] }).finish()
  const childDigest = wireDigest(blobOf(child).digest)
  const large = seededBlob(1, 2_000_000)
  const tree = re.Tree.encode({
    root: {
      directories: [
        { name: 'child', digest: childDigest },
        { name: 'empty', digest: wireDigest(blobOf('').digest) },
      ],
      symlinks: [{ name: 'up', target: '../file' }],
    },
    children: [re.Directory.decode(child), {}],
  }).finish()
  const link = { path: 'link', target: '/anywhere' }
  const done = await materialiseOutputs(
    cas,
    {
      outputFiles: [
        { path: 'sub/file', digest: await put('content') },
        { path: 'inline', digest: wireDigest(blobOf('inline').digest), contents: Buffer.from('inline') },
        { path: 'large', digest: await put(large.bytes) },
      ],
      outputDirectories: [{ path: 'dir', treeDigest: await put(tree) }],
      outputSymlinks: [link],
      outputFileSymlinks: [link],
    },
    folder,
    { asked: ['sub/file', 'inline', 'large', 'dir', 'link'] },
  )
  expect(done).toMatchObject({ files: 4, directories: 3, symlinks: 2 })
  expect(readFileSync(join(folder, 'sub/file'), 'utf8')).toBe('content')
  expect(readFileSync(join(folder, 'inline'), 'utf8')).toBe('inline')
  expect(readFileSync(join(folder, 'large')).equals(large.bytes)).toBe(true)
  expect(lstatSync(join(folder, 'dir/child/f')).mode & 0o100).toBe(0o100)
  expect(lstatSync(join(folder, 'sub/file')).mode & 0o100).toBe(0)
  expect(lstatSync(join(folder, 'dir/empty')).isDirectory()).toBe(true)
  expect(readlinkSync(join(folder, 'link'))).toBe('/anywhere')
  expect(readlinkSync(join(folder, 'dir/up'))).toBe('../file')
})

test('an output directory that is known by its root digest alone comes back too', async () => {
  const { cas, put, folder } = await openOutputs()
  const root = re.Directory.encode({ files: [{ name: 'f', digest: await put('x') }] }).finish()
  const outputDirectories = [{ path: 'd', rootDirectoryDigest: await put(root) }]
  await materialiseOutputs(cas, { outputDirectories }, folder, { asked: ['d'] })
  expect(readFileSync(join(folder, 'd/f'), 'utf8')).toBe('x')
})

test('what stood there is replaced where that was allowed or nothing is lost; else all stays as it was', async () => {
  const { cas, put, folder } = await openOutputs()
  writeFileSync(join(folder, 'mine'), 'old')
  writeFileSync(join(folder, 'same'), 'new')
  const outputFiles = [
    { path: 'fresh', digest: await put('new') },
    { path: 'same', digest: await put('new') },
    { path: 'mine', digest: await put('new') },
  ]
  const asked = outputFiles.map(({ path }) => path)
  await expect(materialiseOutputs(cas, { outputFiles }, folder, { asked })).rejects.toMatchObject({
    kind: 'exists',
    where: join(folder, 'mine'),
  })
  expect(readdirSync(folder).toSorted()).toEqual(['mine', 'same'])
  expect(readFileSync(join(folder, 'mine'), 'utf8')).toBe('old')
  const mayReplace = (path: string) => path === join(folder, 'mine')
  await materialiseOutputs(cas, { outputFiles }, folder, { asked, mayReplace })
  for (const name of asked) expect(readFileSync(join(folder, name), 'utf8')).toBe('new')
  expect(readdirSync(folder)).toHaveLength(3)
})

test('a folder is never replaced, whatever is allowed', async () => {
  const { cas, put, folder } = await openOutputs()
  mkdirSync(join(folder, 'g'))
  const outputFiles = [{ path: 'g', digest: await put('new') }]
  const options = { asked: ['g'], mayReplace: () => true }
  await expect(materialiseOutputs(cas, { outputFiles }, folder, options)).rejects.toMatchObject({
    kind: 'exists',
    where: join(folder, 'g'),
    next: [expect.stringContaining('--output-to')],
  })
})

test('what was not asked for is not written, of whatever kind it is', async () => {
  const { cas, put, folder } = await openOutputs()
  const tree = re.Tree.encode({ root: { files: [{ name: 'f', digest: await put('x') }] } }).finish()
  const result = {
    outputFiles: [
      { path: 'count', digest: await put('3') },
      { path: '.bashrc', digest: await put('evil') },
      { path: 'count/../.profile', digest: await put('evil') },
    ],
    outputDirectories: [{ path: '.ssh', treeDigest: await put(tree) }],
    outputSymlinks: [{ path: 'link', target: '/etc' }],
    outputFileSymlinks: [{ path: 'older', target: '/etc' }],
    outputDirectorySymlinks: [{ path: 'oldest', target: '/etc' }],
  }
  await materialiseOutputs(cas, result, folder, { asked: ['count', 'absent'] })
  expect(readdirSync(folder)).toEqual(['count'])
  expect(compareOutputs(result, ['count', 'absent'])).toEqual({
    found: ['count'],
    missing: ['absent'],
    unasked: ['.bashrc', 'count/../.profile', 'link', 'older', 'oldest', '.ssh'],
  })
})

test('without an output nothing is made, not even the folder', async () => {
  const { cas, folder } = await openOutputs()
  await materialiseOutputs(cas, {}, join(folder, 'target'), { asked: ['a'] })
  expect(readdirSync(folder)).toEqual([])
})

test('when the last output cannot be fetched nothing is there, nor the folders that were made for them', async () => {
  const { cas, put, folder } = await openOutputs()
  const outputFiles = [
    { path: 'deep/er/a', digest: await put('there') },
    { path: 'b', digest: wireDigest(blobOf('never uploaded').digest) },
  ]
  const target = join(folder, 'not/yet')
  await expect(materialiseOutputs(cas, { outputFiles }, target, { asked: ['deep/er/a', 'b'] })).rejects.toMatchObject({
    kind: 'not-found',
  })
  expect(readdirSync(folder)).toEqual([])
})

test('when a move fails, those before it are taken back: what stood there stands there again', async () => {
  const folder = await testFolder()
  writeFileSync(join(folder, 'a'), 'old')
  const entries = ['a', 'new/b', 'c'].map((path) => ({ segments: path.split('/'), digest: undefined }))
  const placing = { folder, entries, directories: [['empty']], mayReplace: () => true }
  const make = async (places: readonly string[]) => {
    for (const place of places) writeFileSync(place, 'new')
    // Meanwhile somebody makes a folder in the place of the last one.
    mkdirSync(join(folder, 'c'))
  }
  await expect(placeEntries(placing, make)).rejects.toMatchObject({ kind: 'exists' })
  expect(readdirSync(folder).toSorted()).toEqual(['a', 'c'])
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('old')
})

test.each(['../out', '/etc/x', 'a/../../out', 'a//b', '', './x', 'nul\0'])(
  'the path %j writes nothing',
  async (path) => {
    const { cas, put, folder } = await openOutputs()
    await expect(
      materialiseOutputs(cas, { outputFiles: [{ path, digest: await put('evil') }] }, folder, { asked: [path] }),
    ).rejects.toMatchObject({ kind: 'invalid' })
  },
)

test('a symlink on the way, there before or made by the result, is never followed', async () => {
  const { cas, put, folder } = await openOutputs()
  const outside = await testFolder()
  symlinkSync(outside, join(folder, 'way'))
  const result = { outputFiles: [{ path: 'way/f', digest: await put('evil') }] }
  const asked = ['way/f', 'made', 'made/f']
  await expect(materialiseOutputs(cas, result, folder, { asked })).rejects.toMatchObject({ kind: 'precondition' })
  const both = {
    outputSymlinks: [
      { path: 'made', target: outside },
      { path: 'made/f', target: 'evil' },
    ],
  }
  await expect(materialiseOutputs(cas, both, folder, { asked })).rejects.toMatchObject({ kind: 'precondition' })
  expect(lstatSync(join(outside, 'f'), { throwIfNoEntry: false })).toBeUndefined()
})

test('inline contents that are not the digest are not believed', async () => {
  const { cas, put, folder } = await openOutputs()
  const outputFiles = [{ path: 'f', digest: await put('true'), contents: Buffer.from('lies') }]
  await materialiseOutputs(cas, { outputFiles }, folder, { asked: ['f'] })
  expect(readFileSync(join(folder, 'f'), 'utf8')).toBe('true')
})

test('whatever a path looks like, its segments lead nowhere but down', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '\0', 'é') }), (path) => {
      let segments: string[]
      try {
        segments = pathSegments(path, 'test')
      } catch {
        return
      }
      expect(segments.join('/')).toBe(path)
      for (const segment of segments) expect(segment).not.toMatch(/^(\.{1,2})?$|[/\0]/)
      assertInside('/nowhere', segments)
    }),
  )
})
