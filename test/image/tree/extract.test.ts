import { lstat, mkdir, readdir, readFile, readlink, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import type { ImageSources } from '../../../src/image/sources.ts'
import { testFolder } from '../../fixture/folder.ts'
import { commitAll, git, makeRepository, programFiles, writeFiles } from '../../fixture/repository.ts'
import { sourcesIn, tagAt } from '../../fixture/sources.ts'

/** Mode and content of every file that a build would get, and the tag beside it. */
async function built({ tree }: ImageSources, paths = ['bin', 'src']): Promise<Record<string, string>> {
  const folder = join(await testFolder(), 'out')
  await mkdir(folder)
  await tree.extract(paths, folder)
  const found: Record<string, string> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    const { mode } = await lstat(file)
    if (entry.isSymbolicLink()) found[file.slice(folder.length + 1)] = `-> ${await readlink(file)}`
    else if (entry.isFile())
      found[file.slice(folder.length + 1)] = `${mode & 0o100 ? 'x' : '-'} ${await readFile(file, 'utf8')}`
  }
  return found
}

const plain = {
  'bin/needed/package.json': expect.any(String),
  'bin/run.js': 'x run',
  'src/README.md': '- a note',
  'src/main.js': '- main',
}

async function repository(files: Readonly<Record<string, string>> = {}): Promise<string> {
  return makeRepository(join(await testFolder(), 'repo'), programFiles(files))
}

describe('files of a commit', () => {
  it('are those that the tag counts, whatever attributes say here', async () => {
    const repo = await repository({ 'src/id.js': '$Format:%H$ $Id$\n' })
    await writeFile(
      join(repo, '.git/info/attributes'),
      'src/main.js export-ignore\nsrc/id.js export-subst ident\n*.md eol=crlf\n',
    )
    for (const ref of ['HEAD', undefined])
      expect(await built(await sourcesIn(repo, { ref }))).toEqual({ ...plain, 'src/id.js': '- $Format:%H$ $Id$\n' })
  })

  it('come from the object store for a clean working tree as well: line ends and filters of a checkout are its own', async () => {
    const lines = {
      'src/lines.js': 'one\ntwo\n',
      'src/filtered.js': 'stored\n',
      '.gitattributes': 'src/filtered.js filter=f\n',
    }
    const repo = await repository(lines)
    const clone = join(repo, '../clone')
    const settings = ['core.autocrlf=true', 'filter.f.clean=sed s/seen/stored/', 'filter.f.smudge=sed s/stored/seen/']
    await git(repo, 'clone', '--quiet', ...settings.flatMap((each) => ['--config', each]), repo, clone)
    expect(await readFile(join(clone, 'src/lines.js'), 'utf8')).toBe('one\r\ntwo\r\n')
    expect(await readFile(join(clone, 'src/filtered.js'), 'utf8')).toBe('seen\r\n')
    expect((await tagAt(clone)).tag).toBe((await tagAt(repo)).tag)
    expect(await built(await sourcesIn(clone))).toEqual(await built(await sourcesIn(repo)))

    await writeFile(join(clone, 'src/lines.js'), 'one\r\nthree\r\n')
    await writeFile(join(repo, 'src/lines.js'), 'one\nthree\n')
    expect((await tagAt(clone)).tag).toBe((await tagAt(repo)).tag)
    expect(await built(await sourcesIn(clone))).toEqual(await built(await sourcesIn(repo)))
  })

  it('keep modes and links, and every name and content that git can hold', async () => {
    const odd = {
      'src/a\nb': 'line break',
      'src/"q"\t': 'quote',
      'src/ä': 'umlaut',
      'src/empty': '',
      'src/bytes': '\0\n\u00ff',
    }
    const repo = await repository(odd)
    await symlink('main.js', join(repo, 'src/link'))
    await commitAll(repo)
    const files = Object.fromEntries(Object.entries(odd).map(([path, text]) => [path, `- ${text}`]))
    const expected = { ...plain, ...files, 'src/link': '-> main.js' }
    expect(await built(await sourcesIn(repo, { ref: 'HEAD' }))).toEqual(expected)
    expect(await built(await sourcesIn(repo))).toEqual(expected)
  })

  it('are read as a stream, large ones too', async () => {
    const large = 'x'.repeat(3_000_000)
    const repo = await repository({ 'src/large': large })
    expect((await built(await sourcesIn(repo, { ref: 'HEAD' })))['src/large']).toBe(`- ${large}`)
  })

  it.each([
    ['a relative link', '../../../etc'],
    ['an absolute link', '/etc'],
  ])('do not lead out: %s is refused, committed or not', async (_, target) => {
    const repo = await repository()
    await symlink(target, join(repo, 'src/out'))
    const refusal = { kind: 'invalid', message: expect.stringContaining('leads out'), where: 'src/out' }
    await expect(built(await sourcesIn(repo))).rejects.toMatchObject(refusal)
    await commitAll(repo)
    await expect(built(await sourcesIn(repo, { ref: 'HEAD' }))).rejects.toMatchObject(refusal)
  })

  it('do not lead out through a link that leads to another', async () => {
    const repo = await repository({ 'src/a/b/c/file': '' })
    await symlink('../../../..', join(repo, 'src/a/b/c/root'))
    await symlink('root/../../..', join(repo, 'src/a/b/c/out'))
    await commitAll(repo)
    await expect(built(await sourcesIn(repo, { ref: 'HEAD' }))).rejects.toMatchObject({
      kind: 'invalid',
      where: 'src/a/b/c/out',
    })
  })

  it('are refused where a submodule is among them, committed or not', async () => {
    const repo = await repository()
    const inner = await makeRepository(join(repo, '../inner'), { file: 'x' })
    await git(repo, 'clone', '--quiet', inner, join(repo, 'src/inner'))
    await expect(tagAt(repo)).rejects.toMatchObject({ kind: 'invalid', where: 'src/inner/' })
    await git(repo, 'add', 'src/inner')
    await git(repo, 'commit', '--quiet', '--message=two')
    for (const ref of ['HEAD', undefined])
      await expect(tagAt(repo, ref)).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('submodule'),
        where: 'src/inner',
      })
  })
})

describe('files of a working tree', () => {
  it('are what a commit of them would have: changed, added, removed, folder for file and file for folder', async () => {
    const repo = await repository({ 'src/gone': '', 'src/folder/inner': 'x', 'src/file': 'x', 'src/to-link': 'x' })
    await writeFiles(repo, { 'src/main.js': 'changed', 'src/new\nline': 'new' })
    await execa('rm', ['-r', 'src/gone', 'src/folder', 'src/file', 'src/to-link'], { cwd: repo })
    await writeFiles(repo, {
      'src/folder': 'a file now',
      'src/file/inner': 'in a folder now',
      'bin/tool': 'executable',
    })
    await symlink('main.js', join(repo, 'src/to-link'))
    const objects = await git(repo, 'count-objects')
    const dirty = await tagAt(repo)
    const before = await built(await sourcesIn(repo))
    expect(await git(repo, 'count-objects')).toBe(objects)
    await commitAll(repo)
    expect(`${(await tagAt(repo)).tag}-dirty`).toBe(dirty.tag)
    expect(await built(await sourcesIn(repo))).toEqual(before)
    expect(before).toMatchObject({ 'src/main.js': '- changed', 'src/new\nline': '- new', 'bin/tool': 'x executable' })
  })

  it('are not looked at where nothing was changed, also when their times were', async () => {
    const repo = await repository()
    const before = await tagAt(repo)
    await utimes(join(repo, 'src/main.js'), 1, 1)
    expect(await tagAt(repo)).toEqual(before)
  })
})
