import { lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { materialiseOutputs } from '../../src/client/outputs.ts'
import { assertInside, pathSegments } from '../../src/client/paths.ts'
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
  await materialiseOutputs(cas, { outputDirectories: [{ path: 'd', rootDirectoryDigest: await put(root) }] }, folder)
  expect(readFileSync(join(folder, 'd/f'), 'utf8')).toBe('x')
})

test('what stood there is replaced, but a folder is not', async () => {
  const { cas, put, folder } = await openOutputs()
  writeFileSync(join(folder, 'f'), 'old')
  mkdirSync(join(folder, 'g'))
  const outputFiles = [{ path: 'f', digest: await put('new') }]
  await materialiseOutputs(cas, { outputFiles }, folder)
  expect(readFileSync(join(folder, 'f'), 'utf8')).toBe('new')
  await expect(
    materialiseOutputs(cas, { outputFiles: [{ path: 'g', digest: await put('new') }] }, folder),
  ).rejects.toMatchObject({ kind: 'exists' })
})

test.each(['../out', '/etc/x', 'a/../../out', 'a//b', '', './x', 'nul\0'])(
  'the path %j writes nothing',
  async (path) => {
    const { cas, put, folder } = await openOutputs()
    await expect(
      materialiseOutputs(cas, { outputFiles: [{ path, digest: await put('evil') }] }, folder),
    ).rejects.toMatchObject({ kind: 'invalid' })
  },
)

test('a symlink on the way, there before or made by the result, is never followed', async () => {
  const { cas, put, folder } = await openOutputs()
  const outside = await testFolder()
  symlinkSync(outside, join(folder, 'way'))
  const result = { outputFiles: [{ path: 'way/f', digest: await put('evil') }] }
  await expect(materialiseOutputs(cas, result, folder)).rejects.toMatchObject({ kind: 'precondition' })
  const both = {
    outputSymlinks: [
      { path: 'made', target: outside },
      { path: 'made/f', target: 'evil' },
    ],
  }
  await expect(materialiseOutputs(cas, both, folder)).rejects.toMatchObject({ kind: 'precondition' })
  expect(lstatSync(join(outside, 'f'), { throwIfNoEntry: false })).toBeUndefined()
})

test('inline contents that are not the digest are not believed', async () => {
  const { cas, put, folder } = await openOutputs()
  const outputFiles = [{ path: 'f', digest: await put('true'), contents: Buffer.from('lies') }]
  await materialiseOutputs(cas, { outputFiles }, folder)
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
