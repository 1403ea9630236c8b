import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { applyLayer } from '../../../src/image/unpack/layer.ts'
import type { Room } from '../../../src/image/unpack/room.ts'
import { storedEntries, storeLayer } from '../../../src/image/unpack/stored-layer.ts'
import { testFolder } from '../../fixture/folder.ts'
import { type LayerEntry, layerOf } from '../../fixture/layers.ts'

async function unpacked(...layers: (readonly LayerEntry[])[]): Promise<string> {
  const tree = join(await testFolder(), 'tree')
  mkdirSync(tree)
  for (const layer of layers) await put(pieces(await layerOf(layer)), tree)
  return tree
}

/** Stores a layer and applies it. @returns what is left of the room for each of the two */
async function put(tar: AsyncIterable<Uint8Array>, tree: string) {
  const folder = await testFolder()
  const [stored, linked] = [0, 1].map(() => ({ bytes: 8e6, entries: 1000 })) as [Room, Room]
  await storeLayer(tar, folder, stored, 'test')
  await applyLayer(storedEntries(folder), tree, linked, 'test')
  return { stored, linked, folder }
}

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 700) yield bytes.subarray(at, at + 700)
}

/** Every path, symlinks not followed. */
function all(tree: string, at = ''): string[] {
  return readdirSync(join(tree, at), { withFileTypes: true })
    .flatMap((each) => [`${at}${each.name}`, ...(each.isDirectory() ? all(tree, `${at}${each.name}/`) : [])])
    .sort()
}

test('files, folders and symlinks are as the layer has them, and belong to whoever unpacks', async () => {
  const tree = await unpacked([
    { name: './usr/', type: 'directory', mode: 0o555 },
    { name: './usr/bin/tool', content: 'x', mode: 0o4711, mtime: 1_000_000_000 },
    { name: 'secret', mode: 0o040 },
    { name: '/bin', type: 'symlink', target: 'usr/bin' },
    { name: 'shared', type: 'directory', mode: 0o3777 },
  ])
  expect(all(tree)).toEqual(['bin', 'secret', 'shared', 'usr', 'usr/bin', 'usr/bin/tool'])
  expect(readlinkSync(join(tree, 'bin'))).toBe('usr/bin')
  const tool = statSync(join(tree, 'usr/bin/tool'))
  expect([tool.mode & 0o7777, tool.mtimeMs, tool.uid]).toEqual([0o711, 1e12, process.getuid?.()])
  const modes = ['usr', 'secret', 'shared'].map((name) => statSync(join(tree, name)).mode & 0o7777)
  expect(modes).toEqual([0o755, 0o440, 0o1777])
})

test('whiteouts remove what lower layers have brought, and nothing of their own', async () => {
  const tree = await unpacked(
    [{ name: 'a/old' }, { name: 'a/kept' }, { name: 'b/x/y' }, { name: 'c/lower' }, { name: 'd/lower' }],
    [
      { name: 'a/.wh.old' },
      { name: '.wh.b' },
      { name: 'c/own' },
      { name: 'c/.wh..wh..opq' },
      { name: 'd/.wh..wh..opq' },
      { name: 'd/own' },
      { name: '.wh..wh.plnk', type: 'directory' },
      { name: '.wh.nothing' },
    ],
  )
  expect(all(tree)).toEqual(['a', 'a/kept', 'c', 'c/own', 'd', 'd/own'])
})

test('what one layer has brought gives way to another kind of thing', async () => {
  const tree = await unpacked(
    [{ name: 'folder/file' }, { name: 'file' }, { name: 'link', type: 'symlink', target: 'file' }],
    [
      { name: 'folder' },
      { name: 'link', content: 'now a file' },
      { name: 'file', type: 'directory' },
      { name: 'file/inside' },
    ],
  )
  expect(all(tree)).toEqual(['file', 'file/inside', 'folder', 'link'])
  expect(lstatSync(join(tree, 'link')).isFile()).toBe(true)
})

test('hard links are one file, of this layer or of one below', async () => {
  const tree = await unpacked(
    [{ name: 'bin/one', content: 'same' }],
    [
      { name: 'bin/two', type: 'link', target: 'bin/one' },
      { name: 'three', content: 'other' },
      { name: 'four', type: 'link', target: '/three' },
    ],
  )
  const inode = (name: string) => statSync(join(tree, name)).ino
  expect(inode('bin/two')).toBe(inode('bin/one'))
  expect(inode('four')).toBe(inode('three'))
})

test('devices and pipes are left out', async () => {
  const tree = await unpacked([
    { name: 'null', type: 'character-device' },
    { name: 'pipe', type: 'fifo' },
    { name: 'file' },
  ])
  expect(all(tree)).toEqual(['file'])
})

test('symlinks on the way lead to places in the tree, wherever they point', async () => {
  const outside = await testFolder()
  const tree = await unpacked(
    [
      { name: 'lib', type: 'symlink', target: 'usr/lib' },
      { name: 'out', type: 'symlink', target: outside },
      { name: 'up', type: 'symlink', target: '../../../../../..' },
    ],
    [
      { name: 'lib/a' },
      { name: 'out/b' },
      { name: 'up/c' },
      { name: 'out/.wh..wh..opq' },
      { name: 'linked', type: 'link', target: 'lib/a' },
    ],
  )
  expect(readdirSync(outside)).toEqual([])
  expect(all(tree)).toEqual(expect.arrayContaining(['c', 'linked', 'usr/lib/a', join(outside, 'b').slice(1)]))
})

test.for([
  ['a path that goes up', [{ name: '../x' }]],
  ['a path through a file', [{ name: 'a' }, { name: 'a/b' }]],
  ['symlinks in a circle', [{ name: 'a', type: 'symlink', target: 'a' }, { name: 'a/b' }]],
  ['a hard link to nothing', [{ name: 'a', type: 'link', target: 'etc/passwd' }]],
  [
    'a hard link to a folder',
    [
      { name: 'd', type: 'directory' },
      { name: 'a', type: 'link', target: 'd' },
    ],
  ],
  ['a path that is too deep', [{ name: `${'d/'.repeat(129)}x` }]],
  [
    'a path that is too deep behind a symlink',
    [{ name: 'a', type: 'symlink', target: 'd/'.repeat(100) }, { name: `a${'/d'.repeat(100)}` }],
  ],
  [
    'a path of too many steps',
    [{ name: 'd', type: 'directory' }, { name: 'a', type: 'symlink', target: 'd/../'.repeat(600) }, { name: 'a/x' }],
  ],
  ['a whiteout of its own folder', [{ name: 'a/.wh...' }]],
] as [string, LayerEntry[]][])('%s is refused', async ([, entries]) => {
  await expect(unpacked(entries)).rejects.toMatchObject({ kind: 'invalid' })
})

test('what is larger than it may be is refused', async () => {
  await expect(unpacked([{ name: 'a', content: Buffer.alloc(8e6 + 1) }])).rejects.toMatchObject({ kind: 'exhausted' })
  const many = Array.from({ length: 1001 }, (_, at) => ({ name: `${at}` }))
  await expect(unpacked(many)).rejects.toMatchObject({ kind: 'exhausted', message: expect.stringContaining('many') })
  const deep = Array.from({ length: 20 }, (_, at) => ({ name: `${at}${'/d'.repeat(100)}` }))
  await expect(unpacked(deep)).rejects.toMatchObject({ kind: 'exhausted', message: expect.stringContaining('many') })
})

test('an image takes what a disk gives it: no file less than a block', async () => {
  const tree = await testFolder()
  const entries: LayerEntry[] = [
    { name: 'made/empty' },
    { name: 'small', content: 'x' },
    { name: 'two', content: Buffer.alloc(4097) },
    { name: 'link', type: 'symlink', target: 'two' },
  ]
  const { stored, linked } = await put(pieces(await layerOf(entries)), tree)
  const blocks = ({ bytes }: Room) => Math.floor((8e6 - bytes) / 4096)
  // Three files with content for the layer; a folder and a symlink for the tree, which also counts the folder's name.
  expect([blocks(stored), stored.entries]).toEqual([4, 1000 - 4])
  expect([blocks(linked), linked.entries]).toEqual([2, 1000 - 5])
})

test('the files of a tree are the stored ones, and what replaces one leaves it as it is', async () => {
  const trees = [join(await testFolder(), 'a'), join(await testFolder(), 'b')]
  for (const tree of trees) mkdirSync(tree)
  const [tree = '', other = ''] = trees
  const { folder } = await put(
    pieces(
      await layerOf([
        { name: 'tool', content: 'old', mode: 0o755 },
        { name: 'kept', content: 'kept' },
      ]),
    ),
    tree,
  )
  await applyLayer(storedEntries(folder), other, { bytes: 8e6, entries: 1000 }, 'test')
  expect(['tool', 'kept'].map((name) => statSync(join(tree, name)).ino)).toEqual(
    ['tool', 'kept'].map((name) => statSync(join(other, name)).ino),
  )
  await put(pieces(await layerOf([{ name: 'tool', content: 'new', mode: 0o644 }])), tree)
  expect([tree, other].map((each) => readFileSync(join(each, 'tool'), 'utf8'))).toEqual(['new', 'old'])
  expect(statSync(join(other, 'tool')).mode & 0o777).toBe(0o755)
})

test('names of entries are kept as they are, whatever characters they have', async () => {
  const names = ['line\u2028separator', 'carriage\rreturn', 'new\nline', 'quote"\\', 'ä€😀']
  const tree = await unpacked(names.map((name) => ({ name, content: name })))
  expect(all(tree)).toEqual([...names].sort())
  for (const name of names) expect(readFileSync(join(tree, name), 'utf8')).toBe(name)
})

test('a whiteout that comes again removes nothing of its own layer, and folders in it are looked through once', async () => {
  const again = { name: 'a/.wh..wh..opq' }
  const tree = await unpacked(
    [{ name: 'a/lower/file' }, { name: 'a/both/lower' }],
    [{ name: 'a/both/own' }, again, { name: 'a/new' }, again, { name: 'a/.wh.both' }, { name: '.wh.a' }, again],
  )
  expect(all(tree)).toEqual(['a', 'a/both', 'a/both/own', 'a/new'])
})

test('others have the event loop while a layer of many folders is put on', async () => {
  const tree = await testFolder()
  const many = Array.from({ length: 2000 }, (_, at) => ({ name: `${at % 100}/${at}`, type: 'directory' as const }))
  const layer = await layerOf(many)
  let turns = 0
  let running = true
  const turn = () => {
    turns += 1
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  async function* whole() {
    yield layer
  }
  const stored = await testFolder()
  await storeLayer(whole(), stored, { bytes: 1e9, entries: 1e6 }, 'test')
  const storing = turns
  await applyLayer(storedEntries(stored), tree, { bytes: 1e9, entries: 1e6 }, 'test')
  running = false
  expect(storing).toBeGreaterThan(1)
  expect(turns).toBeGreaterThan(storing + 1)
})

test('what a stream of GNU tar says is understood', async () => {
  const folder = await testFolder()
  mkdirSync(join(folder, 'in'))
  execFileSync('sh', ['-c', `cd in; n=$(printf %0150d 0); mkdir $n; echo x > $n/$n; ln $n/$n hard; ln -s $n/$n soft`], {
    cwd: folder,
  })
  const tar = execFileSync('tar', ['-C', join(folder, 'in'), '-c', '.'])
  const tree = join(folder, 'tree')
  mkdirSync(tree)
  const { folder: stored } = await put(pieces(tar), tree)
  expect(all(tree)).toEqual(all(join(folder, 'in')))
  expect(readFileSync(join(tree, 'soft'), 'utf8')).toBe('x\n')
  rmSync(stored, { recursive: true })
  expect(statSync(join(tree, 'hard')).nlink).toBe(2)
})
