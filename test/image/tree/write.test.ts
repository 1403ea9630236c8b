import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { blobsOf } from '../../../src/image/tree/blobs.ts'
import { writeFiles } from '../../../src/image/tree/write.ts'
import { testFolder } from '../../fixture/folder.ts'

const [file, link] = ['100644', '120000']

/** Writes files whose content is given in place of their id. */
async function written(files: readonly (readonly [mode: string, path: string, content: string])[]): Promise<string[]> {
  const folder = join(await testFolder(), 'deep/er')
  await mkdir(folder, { recursive: true })
  const all = files.map(([mode, path, id]) => ({ mode, path, id }))
  const contentOf = async function* ({ id }: { id: string }) {
    yield Buffer.from(id)
  }
  try {
    await writeFiles(all, folder, contentOf)
  } finally {
    expect(await readdir(join(folder, '..'))).not.toContain('x')
  }
  return (await readdir(folder, { recursive: true })).sort()
}

describe('files that are written', () => {
  it('may be reached through links that stay among them', async () => {
    const files = await written([
      [file, 'a/file', ''],
      [link, 'b', 'a/file'],
      [link, 'a/up', '../b'],
      [link, 'a/nowhere', '../c/d'],
    ])
    expect(files).toEqual(['a', 'a/file', 'a/nowhere', 'a/up', 'b'])
  })

  it.each(['../x', 'a/../../x', '/x', 'a//x', './x', 'a\0x', '..', ''])('have no path like %j', async (path) => {
    await expect(written([[file, path, '']])).rejects.toMatchObject({ kind: 'invalid', where: path })
  })

  it.each([
    ['a link and a folder', [file, 'a/x', ''], [link, 'a', '..']],
    ['a link and a link in it', [link, 'a', '..'], [link, 'a/x', 'y']],
    ['a file twice', [file, 'a', ''], [file, 'a', '']],
    ['a link twice', [link, 'a', 'b'], [link, 'a', 'c']],
  ] as const)('have each a name of its own: %s', async (_, one, other) => {
    await expect(written([one, other])).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('are not links without end', async () => {
    const files = [[link, 'a', 'b'.repeat(5000)]] as const
    await expect(written(files)).rejects.toMatchObject({ kind: 'invalid', where: 'a' })
  })
})

describe('blobs of a batch', () => {
  const output = Buffer.from('aa blob 5\none\n\n\nbb blob 0\n\ncc blob 3\n\0\xff\n\n', 'latin1')
  const [aa, bb, cc] = ['aa', 'bb', 'cc'].map((id) => ({ id, path: `file ${id}`, mode: file }))

  /** As a pipe gives it, in pieces of so many bytes. */
  async function* pieces(bytes: Buffer, size: number) {
    for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
  }

  async function read(from: AsyncIterable<Buffer>, files: readonly (typeof aa)[]): Promise<string[]> {
    const contentOf = blobsOf(from)
    const found: string[] = []
    for (const each of files) {
      if (!each) continue
      let text = ''
      for await (const piece of contentOf(each)) text += Buffer.from(piece).toString('latin1')
      found.push(text)
    }
    return found
  }

  it.each([1, 2, 3, 7, 1000])('are the same in pieces of %i bytes', async (size) => {
    expect(await read(pieces(output, size), [aa, bb, cc])).toEqual(['one\n\n', '', '\0\xff\n'])
  })

  it('that are missing or another are named, and so is an answer that is cut off', async () => {
    await expect(read(pieces(Buffer.from('aa missing\n'), 9), [aa])).rejects.toMatchObject({
      kind: 'not-found',
      where: 'file aa',
    })
    await expect(read(pieces(output, 9), [bb])).rejects.toMatchObject({ kind: 'not-found', where: 'file bb' })
    await expect(read(pieces(output.subarray(0, 12), 9), [aa])).rejects.toMatchObject({ kind: 'program' })
    await expect(read(pieces(Buffer.alloc(9000, 'x'), 90), [aa])).rejects.toMatchObject({ kind: 'not-found' })
  })
})
