import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { imageTags } from '../../src/image/sources.ts'
import { parseRemoteRef } from '../../src/image/tree/remote.ts'
import { testFolder } from '../fixture/folder.ts'
import { git, makeRepository } from '../fixture/repository.ts'
import { queryIn, tagAt } from '../fixture/sources.ts'

const digest = `sha256:${'a1'.repeat(32)}`
const definition = `name: native
base: {image: gcr.io/distroless/cc-debian12, digest: '${digest}'}
platforms: [linux/amd64]
program: /opt/native
`

async function checkout(): Promise<{ folder: string; repo: string }> {
  const folder = await testFolder()
  const repo = await makeRepository(join(folder, 'repo'), {
    'templates/images/native.yaml': definition,
    'src/a.ts': 'export const a = 1\n',
    'src/README.md': 'notes\n',
    'bin/run.js': '#!/usr/bin/env node\n',
    'package.json': '{}',
    'package-lock.json': '{}',
    'docs/text.md': 'text\n',
    '.gitignore': 'dist/\n',
  })
  return { folder, repo }
}

describe('the tag of a commit', () => {
  it('is 32 hex digits, and the same from every clone, folder and way to name it', async () => {
    const { folder, repo } = await checkout()
    const { tag } = await tagAt(repo, 'HEAD')
    expect(tag).toMatch(/^[0-9a-f]{32}$/)
    await git(folder, 'clone', '-q', repo, join(folder, 'elsewhere'))
    await git(folder, 'clone', '-q', '--bare', repo, join(folder, 'bare.git'))
    const id = await git(repo, 'rev-parse', 'HEAD')
    await git(repo, 'tag', '-am', 'release', 'v1')
    const tags = await Promise.all([
      tagAt(repo),
      tagAt(repo, 'main'),
      tagAt(repo, 'v1'),
      tagAt(repo, id.slice(0, 10)),
      tagAt(join(repo, 'docs'), 'HEAD'),
      tagAt(join(folder, 'elsewhere'), 'HEAD'),
    ])
    expect(new Set(tags.map((each) => each.tag))).toEqual(new Set([tag]))
    expect((await tagAt(repo, `file://${folder}/bare.git#main`)).tag).toBe(tag)
    expect((await tagAt(repo, `file://${folder}/bare.git`)).tag).toBe(tag)
  })

  it('does not change with what is not an input, and does with what is', async () => {
    const { repo } = await checkout()
    const before = (await tagAt(repo, 'HEAD')).tag
    const commit = async (path: string, text: string): Promise<string> => {
      await appendFile(join(repo, path), text)
      await git(repo, 'add', '-A')
      await git(repo, 'commit', '-qm', path)
      return (await tagAt(repo, 'HEAD')).tag
    }
    expect(await commit('docs/text.md', 'more')).toBe(before)
    expect(await commit('src/README.md', 'more')).toBe(before)
    expect(await commit('templates/images/native.yaml', '# a comment\n')).not.toBe(before)
    const seen = new Set([before])
    for (const path of ['src/a.ts', 'package-lock.json', 'src/new.ts', 'templates/images/native.yaml']) {
      const tag = await commit(path, path.endsWith('.yaml') ? 'user: nobody\n' : ' ')
      expect(seen.has(tag)).toBe(false)
      seen.add(tag)
    }
    await git(repo, 'mv', 'src/a.ts', 'src/b.ts')
    await git(repo, 'commit', '-qm', 'moved')
    expect(seen.has((await tagAt(repo, 'HEAD')).tag)).toBe(false)
    expect((await tagAt(repo, 'HEAD~7')).tag).toBe(before)
  })

  it('changes with the mode of a file', async () => {
    const { repo } = await checkout()
    const before = (await tagAt(repo, 'HEAD')).tag
    await git(repo, 'update-index', '--chmod=-x', 'bin/run.js')
    await git(repo, 'commit', '-qm', 'mode')
    expect((await tagAt(repo, 'HEAD')).tag).not.toBe(before)
  })
})

describe('the tag of a working tree', () => {
  it('says that it is dirty, and is the one that a commit would have', async () => {
    const { repo } = await checkout()
    await appendFile(join(repo, 'src/a.ts'), '// more\n')
    await writeFile(join(repo, 'src/new.ts'), 'export {}\n')
    await rm(join(repo, 'package-lock.json'))
    const dirty = await tagAt(repo)
    expect(dirty.tag).toMatch(/^[0-9a-f]{32}-dirty$/)
    await git(repo, 'add', '-A')
    expect((await tagAt(repo)).tag).toBe(dirty.tag)
    await git(repo, 'commit', '-qm', 'two')
    expect(`${(await tagAt(repo)).tag}-dirty`).toBe(dirty.tag)
  })

  it('is not dirty for what does not enter', async () => {
    const { repo } = await checkout()
    await mkdir(join(repo, 'dist'))
    await writeFile(join(repo, 'dist/built.js'), '')
    await appendFile(join(repo, 'docs/text.md'), 'more')
    await appendFile(join(repo, 'src/README.md'), 'more')
    expect((await tagAt(repo)).dirty).toBe(false)
  })
})

describe('other sources', () => {
  it('of a definition of the user, in git or not', async () => {
    const { folder, repo } = await checkout()
    const own = 'name: mine\nbase: scratch\nplatforms: [linux/amd64]\nfiles: [{from: data, to: /data}]\n'
    const write = async (at: string): Promise<string> => {
      await mkdir(join(at, 'data'), { recursive: true })
      await writeFile(join(at, 'mine.yaml'), own)
      await writeFile(join(at, 'data/file'), 'content')
      return join(at, 'mine.yaml')
    }
    const outside = await tagAt(folder, undefined, { definitionFile: await write(join(folder, 'plain')) })
    const inside = await tagAt(repo, undefined, { definitionFile: await write(repo) })
    expect(outside.dirty).toBe(false)
    expect(inside.dirty).toBe(true)
    await writeFile(join(folder, 'plain/data/file'), 'other')
    const changed = await tagAt(folder, undefined, { definitionFile: join(folder, 'plain/mine.yaml') })
    expect(changed.tag).not.toBe(outside.tag)
  })

  it('from an installed package is what was recorded', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'dist'))
    const query = { root: folder }
    await expect(tagAt(folder, undefined, query)).rejects.toMatchObject({ kind: 'not-found' })
    await writeFile(join(folder, 'dist/image-tags.json'), JSON.stringify({ native: { tag: 'recorded' } }))
    expect((await tagAt(folder, undefined, query)).tag).toBe('recorded')
  })

  it('that are not there are named', async () => {
    const { folder, repo } = await checkout()
    await expect(tagAt(repo, 'nosuch')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(tagAt(repo, 'HEAD', { image: 'nosuch' })).rejects.toMatchObject({ kind: 'not-found' })
    await expect(tagAt(repo, 'HEAD', { image: '../x' })).rejects.toMatchObject({ kind: 'invalid' })
    await expect(tagAt(repo, `file://${folder}/none.git`)).rejects.toMatchObject({ kind: 'not-found' })
    await rename(join(repo, '.git'), join(repo, 'git'))
    await expect(tagAt(repo, 'HEAD')).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('of a definition in no repository are not looked for in native', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'mine.yaml'), definition)
    await expect(tagAt(folder, 'HEAD', { definitionFile: 'mine.yaml' })).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringMatching(/^"HEAD" .*repository of the definition, but it is not in one$/),
      next: [expect.not.stringContaining('native')],
    })
  })

  it('that are not there by a REF: a shallow clone alone is told of its history', async () => {
    const { folder, repo } = await checkout()
    const hint = expect.stringContaining('shallow')
    await git(folder, 'clone', '-q', '--depth=1', `file://${repo}`, join(folder, 'shallow'))
    const inShallow = tagAt(join(folder, 'shallow'), 'nosuch')
    await expect(inShallow).rejects.toMatchObject({ next: [expect.stringContaining('main'), hint] })
    await expect(tagAt(repo, 'nosuch')).rejects.toMatchObject({ next: ['Its branches are main.'] })
  })

  it('that are a range are quoted as they were written', async () => {
    const { repo } = await checkout()
    await expect(tagAt(repo, 'HEAD..HEAD~1')).rejects.toThrow('"HEAD..HEAD~1" does not name any sources')
  })

  it('of an image that is not defined come with those that are', async () => {
    const { folder, repo } = await checkout()
    await mkdir(join(repo, 'templates/images/inner'))
    await writeFile(join(repo, 'templates/images/inner/no.yaml'), definition)
    for (const ref of [undefined, 'HEAD', `file://${repo}`])
      await expect(tagAt(repo, ref, { image: 'nope' })).rejects.toMatchObject({
        kind: 'not-found',
        message: 'no image "nope" is defined here',
        next: ['There are: native.'],
      })
    expect(Object.keys(await imageTags(queryIn(repo)))).toEqual(['native'])
    await makeRepository(join(folder, 'other'), { file: 'text' })
    await expect(tagAt(repo, `file://${folder}/other`)).rejects.toMatchObject({
      next: [expect.stringContaining('--definition')],
    })
  })

  it.each(['--upload-pack=x', 'a..b', 'a b', '-x', 'x@{1}', 'a:b'])('refuse %j as a name of git', async (ref) => {
    const { repo } = await checkout()
    await expect(tagAt(repo, ref)).rejects.toMatchObject({ kind: 'invalid' })
    expect(() => parseRemoteRef(`github:o/r/${ref}`)).toThrow()
  })

  it('on GitHub are an address', () => {
    expect(parseRemoteRef('github:o/r')).toEqual({ url: 'https://github.com/o/r.git', ref: undefined })
    expect(parseRemoteRef('github:o/r/feature/x')).toEqual({ url: 'https://github.com/o/r.git', ref: 'feature/x' })
    expect(parseRemoteRef('git@host.example:o/r.git#v1')).toEqual({ url: 'git@host.example:o/r.git', ref: 'v1' })
    expect(parseRemoteRef('main')).toBeUndefined()
    for (const each of ['github:', 'github:o', 'github:o/..', 'github:-o/r'])
      expect(() => parseRemoteRef(each)).toThrow()
  })
})
