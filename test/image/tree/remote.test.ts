import { mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { commitAll, git, makeRepository, programFiles } from '../../fixture/repository.ts'
import { sourcesIn, tagAt } from '../../fixture/sources.ts'

/** A checkout with two commits, a bare clone of it elsewhere, and a cache. */
async function remote() {
  const folder = await testFolder()
  const repo = await makeRepository(join(folder, 'repo'), programFiles())
  await git(repo, 'tag', '--annotate', '--message=one', 'v1')
  await writeFile(join(repo, 'src/main.js'), 'changed')
  const commit = await commitAll(repo)
  const bare = join(folder, 'o/r.git')
  await git(folder, 'clone', '--quiet', '--bare', repo, bare)
  const cache = join(folder, 'cache')
  const stood = join(folder, 'stood')
  await mkdir(stood)
  return {
    folder,
    repo,
    commit,
    bare,
    url: `file://${bare}`,
    tag: (ref: string, env = {}) => tagAt(stood, ref, { cache, env: { ...process.env, ...env } }),
    sources: (ref: string) => sourcesIn(stood, { ref, cache }),
    /** The repositories in the cache. */
    fetched: async () => {
      const [folder = ''] = await readdir(join(cache, 'git'))
      return (await readdir(join(cache, 'git', folder))).map((each) => join(cache, 'git', folder, each))
    },
  }
}

describe('sources in another repository', () => {
  it.each([
    ['', 'HEAD'],
    ['/main', 'HEAD'],
    ['/v1', 'v1'],
  ])('are fetched from GitHub: github:o/r%s', async (ref, same) => {
    const { folder, repo, tag } = await remote()
    // What git does with this address is git's; where it leads is the user's own setting.
    await writeFile(join(folder, '.gitconfig'), `[url "file://${folder}/"]\n\tinsteadOf = https://github.com/\n`)
    const expected = (await tagAt(repo, same)).tag
    expect((await tag(`github:o/r${ref}`, { HOME: folder, XDG_CONFIG_HOME: folder })).tag).toBe(expected)
  })

  it('are fetched with settings that the environment has for the command line', async () => {
    const { folder, repo, tag } = await remote()
    const [key, value] = [`url.file://${folder}/.insteadOf`, 'https://github.com/']
    const env = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: key, GIT_CONFIG_VALUE_0: value }
    expect((await tag('github:o/r/main', env)).tag).toBe((await tagAt(repo, 'HEAD')).tag)
  })

  it('come without their history', async () => {
    const { repo, commit, url, tag, fetched } = await remote()
    const facts = await tag(`${url}#main`)
    expect(facts).toMatchObject({ tag: (await tagAt(repo, 'HEAD')).tag, revision: commit, dirty: false })
    const [there = ''] = await fetched()
    expect(await git(there, 'rev-list', '--count', commit)).toBe('1')
    await expect(git(there, 'cat-file', '-e', await git(repo, 'rev-parse', 'HEAD~'))).rejects.toThrow()
  })

  it('of a commit are fetched once', async () => {
    const { repo, commit, bare, url, tag, sources } = await remote()
    await tag(`${url}#${commit}`)
    await rename(bare, `${bare}.gone`)
    expect((await tag(`${url}#${commit}`)).tag).toBe((await tagAt(repo, 'HEAD')).tag)
    const { tree } = await sources(`${url}#${commit}`)
    expect(Buffer.from(await tree.read('src/main.js')).toString()).toBe('changed')
    // A branch may have moved meanwhile.
    await expect(tag(`${url}#main`)).rejects.toMatchObject({ kind: 'not-found', output: expect.stringContaining(bare) })
  })

  it('are kept for the last ten commits of a repository, and nothing of a fetch that was killed long ago', async () => {
    const { url, commit, tag, fetched } = await remote()
    await tag(`${url}#main`)
    const folder = join((await fetched())[0] ?? '', '..')
    const older = Array.from({ length: 12 }, (_, at) => `${'0'.repeat(38)}${at + 10}.git`)
    for (const [at, name] of [...older, 'new-old'].entries()) {
      await mkdir(join(folder, name))
      await utimes(join(folder, name), at + 1, at + 1)
    }
    await mkdir(join(folder, 'new-young'))
    const { revision } = await tag(`${url}#v1`)
    const kept = [...older.slice(-8), `${commit}.git`, `${revision}.git`, 'new-young']
    expect((await readdir(folder)).sort()).toEqual(kept.sort())
  })

  it("do not get in each other's way when they are fetched at once", async () => {
    const { repo, url, tag, fetched } = await remote()
    const refs = ['main', 'v1', 'main', 'v1', 'main']
    const found = await Promise.all(refs.map((ref) => tag(`${url}#${ref}`)))
    const expected = await Promise.all(refs.map((ref) => tagAt(repo, ref)))
    expect(found.map((each) => each.tag)).toEqual(expected.map((each) => each.tag))
    expect(await fetched()).toHaveLength(2)
  })

  it('that are not there are told with what git says, and leave nothing', async () => {
    const { url, commit, tag, fetched } = await remote()
    for (const ref of ['nosuch', commit.slice(0, 7), '0'.repeat(40)])
      await expect(tag(`${url}#${ref}`)).rejects.toMatchObject({
        kind: 'not-found',
        message: `the repository has no "${ref}"`,
        output: expect.stringContaining(ref),
        next: ['A remote only knows branches, tags and full commit ids, not abbreviated ones.'],
      })
    expect(await fetched()).toEqual([])
  })

  it('keep a password in their address to themselves', async () => {
    const { tag } = await remote()
    const error = await tag('http://user:secret@127.0.0.1:1/r.git').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ kind: 'program', output: expect.stringContaining('127.0.0.1') })
    expect(JSON.stringify(error)).not.toContain('secret')
  })
})
