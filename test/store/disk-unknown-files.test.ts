import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'

const smallBytesMax = 10_000
const blobs = Array.from({ length: 12 }, (_, at) => seededBlob(at, at % 3 === 0 ? 30_000 : 3000))

let folder: DiskFolder
beforeEach(async () => {
  folder = diskFolder(4_000_000)
  const store = await folder.open({ smallBytesMax })
  for (const { digest, bytes } of blobs) await store.blobs.put(digest, bytes)
  await store.close()
})
afterEach(() => folder.remove())

const at = (...names: string[]) => join(folder.path, ...names)

/** Opens it, finds every sound blob and action, writes, and opens it again. */
async function isWhole(): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    const store = await folder.open({ smallBytesMax })
    expect(await store.blobs.findMissing(blobs.map(({ digest }) => digest))).toEqual([])
    const fresh = seededBlob(1000 + round, 3000)
    await store.blobs.put(fresh.digest, fresh.bytes)
    expect(await store.blobs.get(fresh.digest)).toBeDefined()
    await store.close()
  }
}

function make(kind: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  if (kind === 'file') writeFileSync(path, 'years of work')
  if (kind === 'empty file') writeFileSync(path, '')
  if (kind === 'folder') mkdirSync(path)
  if (kind === 'full folder') make('file', join(path, 'inner'))
  if (kind === 'dangling link') symlinkSync('/nowhere/at/all', path)
  if (kind === 'link') symlinkSync('/etc/hostname', path)
  if (kind === 'pipe') execFileSync('mkfifo', [path])
}

const kinds = ['file', 'empty file', 'folder', 'full folder', 'dangling link', 'link', 'pipe']
const largeName = `sha256-${'ab'.repeat(32)}-30000`
const places = [
  ['.DS_Store'],
  ['notes'],
  ['lost+found'],
  ['format.new'],
  ['set-aside'],
  ['blobs', '.DS_Store'],
  ['blobs', '0000000099.segment'],
  ['blobs', '9999999999.segment'],
  ['blobs', '4294967295.segment'],
  ['results', 'x'],
  ['results', '0000000001.segment.bak'],
  ['large', '.DS_Store'],
  ['large', 'xx'],
  ['large', 'ab', 'notes'],
  ['large', 'ab', largeName],
  ['incoming', '1'],
  ['incoming', 'notes'],
]

describe('a store opens with all it has, whatever else lies in its folder', () => {
  test('anything, anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...kinds), fc.constantFrom(...places)), { minLength: 1, maxLength: 6 }),
        async (all) => {
          const copy = diskFolder(4_000_000)
          const original = folder
          try {
            execFileSync('cp', ['-a', `${original.path}/.`, copy.path])
            folder = copy
            for (const [kind, names] of all) if (!exists(at(...names))) make(kind, at(...names))
            await isWhole()
          } finally {
            folder = original
            copy.remove()
          }
        },
      ),
      { numRuns: 40 },
    )
  }, 120_000)

  test.each(kinds)('a lock that is none: %s', async (kind) => {
    rmSync(at('lock'))
    make(kind, at('lock'))
    await isWhole()
  })

  test.each(['', 'native st', 'garbage\0\xff', 'x'.repeat(10_000)])('a format that says nothing: %j', async (text) => {
    writeFileSync(at('format'), text, 'latin1')
    await isWhole()
    expect(readFileSync(at('format'), 'utf8')).toBe('native store 1\n')
  })

  test.each(['missing', 'folder', 'dangling link'])('a format that is none: %s', async (kind) => {
    rmSync(at('format'))
    make(kind, at('format'))
    await isWhole()
  })

  test('what it cannot use is moved aside, not deleted', async () => {
    make('full folder', at('blobs', '0000000099.segment'))
    make('file', at('large', 'ac'))
    await isWhole()
    const moved = readdirSync(at('set-aside')).map((name) => name.replace(/^\d+-\d+-/, ''))
    expect(moved.sort()).toEqual(['0000000099.segment', 'ac'])
  })

  test.each(['file', 'dangling link'])('a part that is not a folder: %s', async (kind) => {
    rmSync(at('incoming'), { recursive: true })
    make(kind, at('incoming'))
    renameSync(at('results'), at('notes'))
    make(kind, at('results'))
    await isWhole()
  })
})

describe('what is refused stays as it is', () => {
  test.each(['native store 2\n', 'native store 17 and more\n'])('a store of a later version: %j', async (text) => {
    writeFileSync(at('format'), text)
    const before = folder.files()
    await expect(folder.open()).rejects.toMatchObject({ kind: 'precondition' })
    expect(folder.files()).toEqual(before)
    expect(readFileSync(at('format'), 'utf8')).toBe(text)
  })
})

function exists(path: string): boolean {
  return existsSync(path) || lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
