import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Folder, openFolder } from '../../../src/cli/cacheprog/folder.ts'
import { beginUse } from '../../../src/cli/cacheprog/trim.ts'
import type { Digest } from '../../../src/core/digest.ts'

let root: string
let folder: Folder
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'native-cacheprog-'))
  folder = openFolder(root)
})
afterEach(() => rm(root, { recursive: true }))

async function* bytes(length: number, fill: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(length, fill)
}

/** Outputs of 100 KB, the first used longest ago. */
async function filled(count: number): Promise<Digest[]> {
  const digests: Digest[] = []
  for (let at = 0; at < count; at += 1) {
    const digest = await folder.take(bytes(100_000, at))
    const used = new Date(Date.now() - (count - at) * 60_000)
    await utimes(folder.fileOf(digest), used, used)
    digests.push(digest)
  }
  return digests
}

const left = async (digests: readonly Digest[]) => Promise.all(digests.map((digest) => folder.has(digest)))

test('what was used longest ago goes until the folder is within its bound', async () => {
  const digests = await filled(5)
  expect(await folder.has(digests[0] as Digest)).toBe(true)
  const removed = await (await beginUse(root)).end(400_000, 500_000)
  expect(removed).toBe(200_000)
  expect(await left(digests)).toEqual([true, false, false, true, true])
})

test('nothing goes while another program uses the folder', async () => {
  const digests = await filled(5)
  const other = await beginUse(root)
  expect(await (await beginUse(root)).end(1, 500_000)).toBe(0)
  expect(await left(digests)).toEqual([true, true, true, true, true])
  expect(await other.end(1, 500_000)).toBe(500_000)
})

test('a program that was killed does not keep the folder full', async () => {
  await filled(2)
  await mkdir(join(root, 'users'))
  // No process has this id: they end at 2^22.
  await writeFile(join(root, 'users/99999999-killed'), '')
  await writeFile(join(root, 'removal'), '')
  const long = new Date(Date.now() - 3_600_000)
  await utimes(join(root, 'removal'), long, long)
  await writeFile(join(root, 'left.part'), 'half')
  expect(await (await beginUse(root)).end(1, 200_000)).toBe(200_000)
  expect((await readdir(root)).toSorted()).toEqual(['actions', 'looked', 'outputs', 'users'])
  expect(await readdir(join(root, 'users'))).toEqual([])
})

test('a folder that was just looked through, and little added to, is not looked through again', async () => {
  await (await beginUse(root)).end(1_000_000, 0)
  await filled(2)
  expect(await (await beginUse(root)).end(150_000, 100)).toBe(0)
  expect(await (await beginUse(root)).end(150_000, 20_000)).toBe(100_000)
})
