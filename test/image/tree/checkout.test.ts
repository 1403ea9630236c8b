import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { commitAll, git, makeRepository, programFiles } from '../../fixture/repository.ts'
import { sourcesIn, tagAt } from '../../fixture/sources.ts'

const own = 'name: mine\nbase: scratch\nplatforms: [linux/amd64]\nfiles: [{from: data, to: /data}]\n'
/** As in a container where somebody else's checkout is mounted. */
const foreign = { ...process.env, GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' }

/** A folder with a definition, in no repository. */
async function plainFolder(): Promise<string> {
  const folder = join(await testFolder(), 'plain')
  await mkdir(folder)
  await writeFile(join(folder, 'mine.yaml'), own)
  await writeFile(join(folder, 'data'), 'x')
  return folder
}

describe('a checkout that git does not tell of', () => {
  const asked = [
    ['the working tree', undefined, undefined],
    ['a commit', 'HEAD', undefined],
    ['a definition', undefined, 'mine.yaml'],
  ] as const

  it.each(asked)('since another user owns it: %s', async (_, ref, definitionFile) => {
    const repo = await makeRepository(join(await testFolder(), 'repo'), programFiles({ 'mine.yaml': own, data: 'x' }))
    await expect(tagAt(repo, ref, { definitionFile, env: foreign })).rejects.toMatchObject({
      kind: 'program',
      message: expect.stringContaining('another user'),
      output: expect.stringContaining('dubious ownership'),
      next: [expect.stringContaining(`git config --global --add safe.directory ${repo}`)],
    })
  })

  it.each(asked)('since git is not installed: %s', async (_, ref, definitionFile) => {
    const repo = await makeRepository(join(await testFolder(), 'repo'), programFiles({ 'mine.yaml': own, data: 'x' }))
    await expect(tagAt(repo, ref, { definitionFile, env: { PATH: join(repo, 'bin') } })).rejects.toMatchObject({
      kind: 'program',
      message: expect.stringContaining('git is not installed'),
      next: ['Install git.'],
    })
  })

  it('is no matter for a folder that is in no repository', async () => {
    const folder = await plainFolder()
    const { tag } = await tagAt(folder, undefined, { definitionFile: 'mine.yaml' })
    for (const env of [{ PATH: folder }, foreign])
      expect((await tagAt(folder, undefined, { definitionFile: 'mine.yaml', env })).tag).toBe(tag)
    await mkdir(join(folder, '.git'))
    expect((await tagAt(folder, undefined, { definitionFile: 'mine.yaml' })).tag).toBe(tag)
    const nowhere = { definitionFile: 'nosuch/mine.yaml' }
    await expect(tagAt(folder, undefined, nowhere)).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('is no matter for a repository that is not of native', async () => {
    const other = await makeRepository(join(await testFolder(), 'other'), { file: 'text' })
    const repo = await makeRepository(join(await testFolder(), 'repo'), programFiles())
    const trusted = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: repo }
    const env = { ...foreign, ...trusted }
    expect((await tagAt(other, undefined, { root: repo, env })).tag).toBe((await tagAt(repo)).tag)
  })
})

describe('a repository without a commit', () => {
  it('is a working tree like any other', async () => {
    const folder = await plainFolder()
    await git(folder, 'init', '--quiet', '--initial-branch=main')
    const changes = { definitionFile: 'mine.yaml' }
    const facts = await tagAt(folder, undefined, changes)
    expect(facts).toMatchObject({ revision: null, dirty: true, tag: expect.stringMatching(/^[0-9a-f]{32}-dirty$/) })
    const { tree } = await sourcesIn(folder, changes)
    expect(Buffer.from(await tree.read('data')).toString()).toBe('x')
    await expect(tagAt(folder, 'HEAD', changes)).rejects.toMatchObject({
      kind: 'not-found',
      next: ['It has no commits yet: make one first.'],
    })
    await commitAll(folder)
    expect(`${(await tagAt(folder, undefined, changes)).tag}-dirty`).toBe(facts.tag)
  })
})

describe('a file that a definition names', () => {
  const refused = async (folder: string, from: string, ref?: string): Promise<unknown> => {
    await writeFile(join(folder, 'mine.yaml'), own.replace('from: data', `from: ${from}`))
    return tagAt(folder, ref, { definitionFile: 'mine.yaml' }).catch((error: unknown) => error)
  }

  it('has to be there for a tag', async () => {
    const folder = await plainFolder()
    const expected = { kind: 'not-found', message: 'files[0].from: there is no "nope" among the sources' }
    expect(await refused(folder, 'nope')).toMatchObject({ ...expected, where: 'mine.yaml' })
    // An empty folder is nothing to git, so it is nothing anywhere.
    await mkdir(join(folder, 'empty'))
    expect(await refused(folder, 'empty')).toMatchObject({ kind: 'not-found' })
    await makeRepository(folder, {})
    expect(await refused(folder, 'nope')).toMatchObject(expected)
    expect(await refused(folder, 'empty')).toMatchObject({ kind: 'not-found' })
    expect(await refused(folder, 'data', 'HEAD')).toMatchObject({ message: expect.stringContaining('"empty"') })
  })

  it.each(['build', 'build/*', '*.o'])('may be one that git ignores, by %s, which is told', async (pattern) => {
    const files = { 'mine.yaml': own, data: 'x', '.gitignore': pattern }
    const repo = await makeRepository(join(await testFolder(), 'repo'), files)
    await mkdir(join(repo, 'build'))
    await writeFile(join(repo, 'build/a.o'), 'x')
    expect(await refused(repo, 'build')).toMatchObject({
      kind: 'not-found',
      message: expect.stringMatching(/^files\[0\]\.from: "build" is there, but git ignores it/),
      next: [expect.stringContaining('git add -f')],
    })
    await git(repo, 'add', '--force', 'build/a.o')
    expect(await refused(repo, 'build')).toMatchObject({ inputs: { fileCount: 1 } })
  })
})
