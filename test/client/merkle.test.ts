import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { buildMerkleTree, treeSources } from '../../src/client/merkle.ts'
import { fetchDirectories } from '../../src/client/tree.ts'
import { digestText } from '../../src/core/digest.ts'
import { checkDirectory } from '../../src/core/directory.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { openRemote } from './remote.ts'

async function sample(): Promise<string> {
  const folder = await testFolder()
  mkdirSync(join(folder, 'z/empty'), { recursive: true })
  mkdirSync(join(folder, 'a'))
  writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\n')
  chmodSync(join(folder, 'run.sh'), 0o755)
  writeFileSync(join(folder, 'a/same'), 'same')
  writeFileSync(join(folder, 'z/same'), 'same')
  symlinkSync('../a', join(folder, 'z/link'))
  symlinkSync('/absolute', join(folder, 'z/broken'))
  // U+FFFD sorts before U+1F600 by code point, after it by UTF-16 units.
  writeFileSync(join(folder, 'z/\u{1f600}'), '')
  writeFileSync(join(folder, 'z/\ufffd'), '')
  return folder
}

describe('buildMerkleTree', () => {
  test('rule 39: directories are canonical, empty ones and symlinks included, rule 40: the executable bit kept', async () => {
    const tree = await buildMerkleTree(await sample(), { fn: 'sha256' })
    for (const { message } of tree.directories) checkDirectory(message)
    const z = tree.directories.find(({ message }) => (message.symlinks ?? []).length > 0)?.message
    expect(z?.files?.map((each) => each.name)).toEqual(['same', '\ufffd', '\u{1f600}'])
    expect(z?.symlinks).toEqual([
      { name: 'broken', target: '/absolute' },
      { name: 'link', target: '../a' },
    ])
    expect(z?.directories?.map((each) => each.name)).toEqual(['empty'])
    expect(tree.root.message.files).toMatchObject([{ name: 'run.sh', isExecutable: true }])
    expect(tree.files.filter((each) => each.digest.size === 4)).toHaveLength(1)
    expect(tree.fileBytes).toBe(10 + 4 + 4)
  })

  test('parents stand before their children and equal directories once', async () => {
    const folder = await testFolder()
    for (const path of ['x/y/same', 'x/same', 'same']) {
      mkdirSync(join(folder, path), { recursive: true })
      writeFileSync(join(folder, path, 'f'), 'f')
    }
    const { directories, root } = await buildMerkleTree(folder, { fn: 'sha256' })
    expect(directories[0]).toBe(root)
    expect(directories).toHaveLength(4)
    const order = new Map(directories.map((each, i) => [digestText(each.digest), i]))
    for (const [i, each] of directories.entries())
      for (const child of each.message.directories ?? [])
        expect(order.get(`${child.digest?.hash}/${child.digest?.sizeBytes}`)).toBeGreaterThan(i)
  })

  test('what is ignored is neither in the tree nor hashed', async () => {
    const folder = await sample()
    const tree = await buildMerkleTree(folder, { fn: 'sha256', ignore: (path) => path === 'z' || path === 'run.sh' })
    expect(tree.root.message.directories?.map((each) => each.name)).toEqual(['a'])
    expect(tree.files).toHaveLength(1)
  })

  test('a pipe cannot be part of a tree', async () => {
    const folder = await testFolder()
    expect(spawnSync('/bin/sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe')]).status).toBe(0)
    await expect(buildMerkleTree(folder, { fn: 'sha256' })).rejects.toMatchObject({
      kind: 'invalid',
      where: join(folder, 'pipe'),
    })
  })
})

describe('fetchDirectories', () => {
  test('gives back what was uploaded, and fetches a directory once', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const tree = await buildMerkleTree(await sample(), { fn: 'sha256' })
    await cas.upload(treeSources(tree))
    const known = new Map<string, re.Directory>()
    for (const round of [1, 2]) {
      const fetched = await fetchDirectories(cas, [tree.root.digest], known)
      expect([...fetched.keys()].sort()).toEqual(tree.directories.map((each) => digestText(each.digest)).sort())
      expect({ round, calls: remote.calls.get('BatchReadBlobs') }).toEqual({ round, calls: 2 })
    }
  })

  test('a directory that the server lacks is named', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const { digest } = blobOf('absent')
    const root = blobOf(
      re.Directory.encode({ directories: [{ name: 'd', digest: { hash: digest.hash, sizeBytes: 6 } }] }).finish(),
    )
    await cas.upload([{ digest: root.digest, content: root.bytes }])
    await expect(fetchDirectories(cas, [root.digest], new Map())).rejects.toMatchObject({
      kind: 'not-found',
      where: digestText(digest),
    })
  })

  test('rule 39: a directory with a name that leads out is refused', async () => {
    const remote = openRemote()
    const cas = createCasClient(remote.channel)
    const root = blobOf(re.Directory.encode({ symlinks: [{ name: '..', target: '/' }] }).finish())
    await cas.upload([{ digest: root.digest, content: root.bytes }])
    await expect(fetchDirectories(cas, [root.digest], new Map())).rejects.toMatchObject({ kind: 'invalid' })
  })
})
