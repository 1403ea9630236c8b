import { lstat, mkdir, readdir, readFile, readlink, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { type Header, pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { extractTar } from '../../src/image/tar/extract.ts'
import { testFolder } from '../fixture/folder.ts'

type Entry = Partial<Header> & { name: string } & { text?: string }
const file = (name: string, text = 'evil'): Entry => ({ name, text })
const link = (name: string, linkname: string): Entry => ({ name, type: 'symlink', linkname })

function tarOf(entries: readonly Entry[]): AsyncIterable<Uint8Array> {
  const tar = pack()
  for (const { text, ...header } of entries) tar.entry(header, text ?? '')
  tar.finalize()
  return tar as AsyncIterable<unknown> as AsyncIterable<Uint8Array>
}

/** A folder to extract into, with a neighbour that nobody may write to. */
async function places(): Promise<{ folder: string; outside: string }> {
  const top = await testFolder()
  const [folder, outside] = [join(top, 'a/b/in'), join(top, 'outside')]
  await mkdir(folder, { recursive: true })
  await mkdir(outside)
  return { folder, outside }
}

describe('extracting', () => {
  it('writes files, folders and links that stay inside, as they were', async () => {
    const { folder } = await places()
    await extractTar(
      tarOf([
        { name: 'd/', type: 'directory' },
        { ...file('d/e/run', 'x'), mode: 0o755 },
        file('f', 'text'),
        link('d/e/up', '../../f'),
        link('d/dangling', 'nothing'),
        link('node_modules/.bin/tool', '../tool/cli.js'),
        link('whole', '.'),
        { name: 'd', type: 'directory' },
      ]),
      folder,
    )
    expect(await readFile(join(folder, 'd/e/up'), 'utf8')).toBe('text')
    expect((await lstat(join(folder, 'd/e/run'))).mode & 0o777).toBe(0o755)
    expect((await lstat(join(folder, 'f'))).mode & 0o777).toBe(0o644)
    expect(await readlink(join(folder, 'd/dangling'))).toBe('nothing')
    expect(await readlink(join(folder, 'node_modules/.bin/tool'))).toBe('../tool/cli.js')
    expect(await readlink(join(folder, 'whole'))).toBe('.')
  })

  it.each<[string, (outside: string) => readonly Entry[]]>([
    ['a link to an absolute path', (outside) => [link('l', outside)]],
    ['a file through a link to an absolute path', (outside) => [link('l', outside), file('l/evil')]],
    ['a link out of it', () => [link('l', '../../../outside')]],
    ['a file through a link that stays inside', () => [link('d/l', '..'), file('d/l/evil')]],
    ['a folder through a link', () => [link('d/l', '..'), { name: 'd/l/evil', type: 'directory' }]],
    ['a chain of links', () => [link('x/y/z', '../..'), link('x/y/z/l', '../../../..'), file('l/outside/evil')]],
    [
      'a link that goes back behind another',
      () => [
        { name: 'x/y', type: 'directory' },
        link('x/y/l', '../../t'),
        { name: 't', type: 'directory' },
        link('m', 'x/y/l/../../..'),
      ],
    ],
    ['a path with ..', () => [file('d/../../evil')]],
    ['a path of .. alone', () => [{ name: '..', type: 'directory' }]],
    ['an absolute path', (outside) => [file(join(outside, 'evil'))]],
    ['a hard link', () => [{ name: 'h', type: 'link', linkname: '/etc/passwd' }]],
    ['a device', () => [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]],
    ['a disk', () => [{ name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }]],
    ['a pipe', () => [{ name: 'p', type: 'fifo' }]],
    ['two files of one name', () => [file('d/f'), file('d/./f')]],
    ['a file where a link was', () => [link('l', 'nothing'), file('l')]],
    ['a link where a file was', () => [file('f'), link('f', 'g')]],
    ['a file where a folder was', () => [{ name: 'd', type: 'directory' }, file('d')]],
    ['a folder where a file was', () => [file('f'), { name: 'f', type: 'directory' }]],
    ['a file below a file', () => [file('f'), file('f/g')]],
    ['a file without a name', () => [file('.')]],
    ['a name with NUL', () => [{ ...file('f'), pax: { path: 'a\0b' } }]],
    ['a link target with NUL', () => [{ ...link('f', 'g'), pax: { linkpath: 'a\0b' } }]],
    ['a name that no file can have', () => [file('n'.repeat(300))]],
    ['a path that no file can have', () => [file('dir/'.repeat(200_000).concat('f'))]],
    ['a link target that no link can have', () => [link('l', 't/'.repeat(5000))]],
  ])('refuses %s, and writes nothing outside', async (_, entries) => {
    const { folder, outside } = await places()
    await expect(extractTar(tarOf(entries(outside)), folder)).rejects.toMatchObject({ kind: 'invalid' })
    expect(await readdir(outside)).toEqual([])
    expect(await readdir(dirname(folder))).toEqual(['in'])
  })

  it('refuses a link that already stands where a folder should be', async () => {
    const { folder, outside } = await places()
    await symlink(outside, join(folder, 'd'))
    await expect(extractTar(tarOf([file('d/evil')]), folder)).rejects.toMatchObject({ kind: 'invalid' })
    expect(await readdir(outside)).toEqual([])
  })

  it('calls an archive that ends too early, and one that is none, corrupt', async () => {
    const chunks: Buffer[] = []
    for await (const chunk of tarOf([file('f', 'x'.repeat(2000))])) chunks.push(chunk as Buffer)
    for (const bytes of [Buffer.concat(chunks).subarray(0, 1000), Buffer.alloc(2048, 7)]) {
      const { folder } = await places()
      await expect(extractTar(Readable.from([bytes]), folder)).rejects.toMatchObject({ kind: 'corrupt' })
    }
  })

  it('passes on what the stream fails with', async () => {
    const { folder } = await places()
    const broken = new Readable({ read: () => undefined })
    broken.destroy(new Failure('cancelled', 'interrupted'))
    await expect(extractTar(broken, folder)).rejects.toMatchObject({ kind: 'cancelled' })
  })

  it('of only what is wanted does not look at the rest', async () => {
    const { folder } = await places()
    const entries = [link('l', '/etc'), file('package/bin/node', 'node'), file('l/x')]
    await extractTar(tarOf(entries), folder, (name) => (name === 'package/bin/node' ? 'node' : undefined))
    expect(await readdir(folder)).toEqual(['node'])
  })

  it('never writes outside, whatever links and files an archive has in whatever order', async () => {
    const part = fc.constantFrom('a', 'b', 'c', '..', '.')
    const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
    const target = fc.oneof(
      path,
      path.map((each) => `/${each}`),
    )
    const entry = fc.oneof(
      path.map((name) => file(name)),
      fc.tuple(path, target).map(([name, to]) => link(name, to)),
      path.map((name): Entry => ({ name, type: 'directory' })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (entries) => {
        const { folder } = await places()
        await writeFile(join(dirname(folder), 'precious'), 'text')
        await extractTar(tarOf(entries), folder).catch((error: unknown) => expect(error).toBeInstanceOf(Failure))
        expect((await readdir(dirname(folder))).sort()).toEqual(['in', 'precious'])
        expect((await readdir(join(folder, '../../..'))).sort()).toEqual(['a', 'outside'])
        for (const each of await readdir(folder, { recursive: true, withFileTypes: true })) {
          if (!each.isSymbolicLink()) continue
          const to = await realpath(join(each.parentPath, each.name)).catch(() => folder)
          expect(`${to}/`.startsWith(`${folder}/`)).toBe(true)
        }
      }),
      { numRuns: 150 },
    )
  })
})
