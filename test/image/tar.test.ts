import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { extract } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import {
  decodeHeader,
  decodePax,
  encodeHeader,
  endOfArchive,
  padding,
  type TarHeader,
} from '../../src/archive/tar-header.ts'
import { Failure } from '../../src/core/failure.ts'
import { tarFiles } from '../../src/image/tar/files.ts'
import { openTar } from '../../src/image/tar/writer.ts'
import { testFolder } from '../fixture/folder.ts'
import { tarOf } from '../fixture/image.ts'

const name = fc
  .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.map((each) => each.replace(/[/\0\s]/g, '_')).join('/'))
  .filter((each) => !each.split('/').some((part) => part === '.' || part === '..'))

/** What an independent reader sees. */
async function readBack(bytes: Buffer) {
  const entries: { name: string; type: string; size: number; mode: number; linkname: string | null; mtime: number }[] =
    []
  for await (const entry of Readable.from([bytes]).pipe(extract())) {
    const { header } = entry
    entries.push({
      name: header.name,
      type: String(header.type),
      size: header.size ?? 0,
      mode: header.mode ?? 0,
      linkname: header.linkname ?? null,
      mtime: (header.mtime?.getTime() ?? 0) / 1000,
    })
    entry.resume()
  }
  return entries
}

describe('a tar header', () => {
  it('of any name, size and link is read the same by tar-stream', async () => {
    await fc.assert(
      fc.asyncProperty(
        name,
        name,
        fc.constantFrom('file', 'symlink', 'directory'),
        fc.nat(0o7777777),
        async (path, target, type, mtime) => {
          const content = type === 'file' ? Buffer.from(path) : Buffer.alloc(0)
          const header: TarHeader = {
            name: path,
            type,
            mode: 0o755,
            size: content.length,
            mtime,
            ...(type === 'symlink' ? { target } : {}),
          }
          const bytes = Buffer.concat([encodeHeader(header), content, padding(content.length), endOfArchive])
          const [entry, ...others] = await readBack(bytes)
          expect(others).toEqual([])
          expect(entry?.name.replace(/\/$/, '')).toBe(path)
          expect(entry).toMatchObject({
            type,
            size: content.length,
            mode: 0o755,
            mtime,
            linkname: type === 'symlink' ? target : null,
          })
        },
      ),
      { numRuns: 200 },
    )
  })

  it('says sizes that octal cannot', () => {
    const bytes = encodeHeader({ name: 'big', type: 'file', mode: 0o644, size: 9 * 2 ** 30, mtime: 0 })
    const length = decodeHeader(bytes.subarray(0, 512), 'x')?.size ?? 0
    expect(decodePax(bytes.subarray(512, 512 + length), 'x').get('size')).toBe(String(9 * 2 ** 30))
  })

  it('has no pax record where ustar can say it', () => {
    const long = `${'a'.repeat(90)}/${'b'.repeat(60)}`
    expect(encodeHeader({ name: long, type: 'file', mode: 0o644, size: 1, mtime: 1 })).toHaveLength(512)
  })

  it('that is any bytes is read, or refused with a Failure', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 512, maxLength: 512 }),
        fc.uint8Array({ maxLength: 300 }),
        (block, pax) => {
          for (const read of [() => decodeHeader(Buffer.from(block), 'x'), () => decodePax(Buffer.from(pax), 'x')])
            try {
              read()
            } catch (error) {
              expect(error).toBeInstanceOf(Failure)
            }
        },
      ),
    )
  })
})

describe('files in an archive', () => {
  it('lie where they are said to lie', async () => {
    const folder = await testFolder()
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`
    const contents: Record<string, string> = { a: 'first', 'b/c': 'x'.repeat(1000), [long]: 'long', empty: '' }
    const path = join(folder, 'a.tar')
    await writeFile(path, await tarOf(contents))
    const handle = await open(path)
    const files = await tarFiles(handle, path)
    for (const [each, text] of Object.entries(contents)) {
      const file = files.get(each)
      const bytes = Buffer.alloc(file?.size ?? 0)
      await handle.read(bytes, 0, bytes.length, file?.offset)
      expect(bytes.toString()).toBe(text)
    }
    await handle.close()
  })

  it('that failed on the way in leave no trace', async () => {
    const folder = await testFolder()
    const path = join(folder, 'a.tar')
    const tar = await openTar(path, 0)
    const broken = async function* () {
      yield Buffer.alloc(5000, 1)
      throw new Error('broken')
    }
    await tar.add('a', 1, Readable.from([Buffer.from('a')]))
    await expect(tar.add('b', 9000, broken())).rejects.toThrow('broken')
    await expect(tar.add('b', 1, Readable.from([Buffer.from('bb')]))).rejects.toBeInstanceOf(Failure)
    await tar.add('b', 1, Readable.from([Buffer.from('b')]))
    await tar.finish()
    const handle = await open(path)
    expect([...(await tarFiles(handle, path)).keys()]).toEqual(['a', 'b'])
    expect((await handle.stat()).size).toBe(6 * 512)
    await handle.close()
  })
})
