import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { git, makeRepository, programFiles } from '../../fixture/repository.ts'
import { tagAt } from '../../fixture/sources.ts'

/** A user's repository, another one, and the environment that a hook in a linked worktree of the first has. */
async function inHook() {
  const folder = await testFolder()
  const user = await makeRepository(join(folder, 'user'), { file: 'text' })
  await git(user, 'worktree', 'add', '--quiet', join(folder, 'linked'))
  const other = await makeRepository(join(folder, 'other'), programFiles())
  const expected = (await tagAt(other, 'HEAD')).tag
  const gitDir = await git(join(folder, 'linked'), 'rev-parse', '--absolute-git-dir')
  vi.stubEnv('GIT_DIR', gitDir)
  vi.stubEnv('GIT_INDEX_FILE', join(gitDir, 'index'))
  return { folder, user, other, expected }
}

describe('git in a hook', () => {
  afterEach(() => void vi.unstubAllEnvs())

  it('fetches into the cache, and the repository of the hook stays as it is', async () => {
    const { folder, user, other, expected } = await inHook()
    const before = await readFile(join(user, '.git/config'), 'utf8')
    const facts = await tagAt(join(folder, 'linked'), `file://${other}`)
    vi.unstubAllEnvs()
    expect(facts.tag).toBe(expected)
    expect(await readFile(join(user, '.git/config'), 'utf8')).toBe(before)
    expect(await git(user, 'for-each-ref', 'refs/native')).toBe('')
  })

  it('asks the checkout that is meant', async () => {
    const { other, expected } = await inHook()
    expect((await tagAt(other)).tag).toBe(expected)
    await writeFile(join(other, 'src/main.js'), 'changed')
    const { tag } = await tagAt(other)
    vi.unstubAllEnvs()
    expect(tag).toBe((await tagAt(other)).tag)
    expect(tag).toMatch(/-dirty$/)
  })
})

describe('git with settings of the user', () => {
  afterEach(() => void vi.unstubAllEnvs())

  it('takes names of files as they are', async () => {
    const files = { 'src/[a].js': 'one', 'src/a.js': 'two', 'src/:(top)b': 'three' }
    const repo = await makeRepository(join(await testFolder(), 'repo'), programFiles(files))
    const before = (await tagAt(repo)).tag
    vi.stubEnv('GIT_ICASE_PATHSPECS', '1')
    expect((await tagAt(repo)).tag).toBe(before)
  })

  it('sees a commit as it was made, whatever stands in for it here', async () => {
    const repo = await makeRepository(join(await testFolder(), 'repo'), programFiles())
    const first = await git(repo, 'rev-parse', 'HEAD')
    const before = (await tagAt(repo, first)).tag
    await writeFile(join(repo, 'src/main.js'), 'changed')
    await git(repo, 'commit', '--quiet', '--all', '--message=two')
    await git(repo, 'replace', first, 'HEAD')
    expect((await tagAt(repo, first)).tag).toBe(before)
  })
})
