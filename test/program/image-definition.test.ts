import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { createNative, type Native, root, runner } from '../fixture/program.ts'
import { startRegistry } from '../fixture/registry/registry.ts'
import { makeRepository } from '../fixture/repository.ts'

let native: Native
let count = 0

beforeAll(async () => {
  native = await createNative([])
})
afterAll(() => native.dispose())

/** A folder with a definition and what it may name, in git or not. */
async function folderWith(text: string, isGit: boolean): Promise<string> {
  count += 1
  const folder = join(native.home, `folder-${count}`)
  await mkdir(join(folder, 'data.yaml'), { recursive: true })
  await writeFile(join(folder, 'mine.yaml'), text)
  await writeFile(join(folder, 'data'), 'x')
  await symlink('../../../etc/passwd', join(folder, 'link'))
  await symlink('/etc', join(folder, 'folder'))
  if (isGit) await makeRepository(folder, {})
  return folder
}

/** The one error that building an image of a folder ends with; nothing is written. */
async function refused(folder: string, definition: string): Promise<{ exitCode: number; error: string }> {
  const args = ['image', 'copy', '--definition', definition, '--platform', 'linux/amd64', 'oci:out']
  const { exitCode, stderr } = await runner(join(root, 'bin/run.js'), native.env, folder).run(...args)
  expect(stderr.match(/^error: /gm)).toHaveLength(1)
  expect(stderr).not.toMatch(/ {4}at |a bug in `native`/)
  await expect(readFile(join(folder, 'out/index.json'))).rejects.toMatchObject({ code: 'ENOENT' })
  return { exitCode, error: stderr }
}

describe('a mistake in a definition', () => {
  const good = 'name: mine\nbase: scratch\nplatforms: [linux/amd64]\n'
  const files = (from: string, to = '/data') => `${good}files:\n  - {from: '${from}', to: '${to}'}\n`

  it.each([
    ['a YAML error', 2, `${good}files: [`, /mine\.yaml:\d+:\d+/],
    ['an unknown key', 2, `${good}entrypiont: [x]\n`, /entrypiont[\s\S]*mine\.yaml:4:1/],
    ['two dots', 2, files('../data'), /files\[0\]\.from[\s\S]*mine\.yaml:5:/],
    ['an absolute path', 2, files('/etc/passwd'), /files\[0\]\.from[\s\S]*mine\.yaml:5:/],
    ['a file that is to end with a slash', 2, files('data', '/data/'), /files\[0\]\.to[\s\S]*mine\.yaml:5:/],
    ['a file in place of the root', 2, files('data', '/'), /files\[0\]\.to[\s\S]*mine\.yaml/],
    ['a file that is not there', 3, files('nosuch'), /files\[0\]\.from[\s\S]*nosuch[\s\S]*mine\.yaml/],
    ['a link that leads out', 2, files('link'), /leads out[\s\S]*link/],
  ])('is one error with its place: %s', async (_, code, text, place) => {
    for (const isGit of [false, true]) {
      const { exitCode, error } = await refused(await folderWith(text, isGit), 'mine.yaml')
      expect(error).toMatch(place)
      expect(exitCode).toBe(code)
    }
  })

  it('is a file behind a link, which git does not know', async () => {
    const text = files('folder/passwd')
    const plain = await refused(await folderWith(text, false), 'mine.yaml')
    expect(plain).toMatchObject({ exitCode: 2, error: expect.stringMatching(/symbolic link[\s\S]*folder\/passwd/) })
    const { exitCode, error } = await refused(await folderWith(text, true), 'mine.yaml')
    expect(error).toMatch(/files\[0\]\.from[\s\S]*folder\/passwd[\s\S]*mine\.yaml/)
    expect(exitCode).toBe(3)
  })

  it('is a definition that is none: missing, a folder, a pipe, or a link that leads out of the checkout', async () => {
    const folder = await folderWith(good, true)
    await execa('cp', ['mine.yaml', '../outside.yaml'], { cwd: folder })
    await symlink('../outside.yaml', join(folder, 'outside.yaml'))
    await execa('mkfifo', [join(folder, 'pipe')])
    const names = ['nosuch.yaml', 'data.yaml', 'outside.yaml', 'pipe', '.']
    const found = await Promise.all(names.map(async (name) => refused(folder, name)))
    expect(found.map((each) => each.exitCode)).toEqual([3, 2, 2, 2, 2])
    for (const [at, name] of names.entries()) expect(found[at]?.error).toContain(join(folder, name))
    expect(await refused(folder, '')).toMatchObject({ exitCode: 2, error: expect.stringContaining('--definition') })
  })
})

describe('native image lock', () => {
  it('refuses a base that is not there for a platform of the definition', async () => {
    const registry = await startRegistry()
    const folder = join(native.home, 'locked')
    await writeLayout(join(folder, 'base'), await makeImage({ architecture: 'amd64' }))
    const name = `${registry.host}/base:1`
    const program = runner(join(root, 'bin/run.js'), native.env, folder)
    await program.ok('image', 'copy', 'oci:base', `docker://${name}`)
    const text = `name: mine\nbase:\n  image: ${name}\nplatforms: [linux/amd64, linux/arm64]\n`
    await writeFile(join(folder, 'mine.yaml'), text)
    const { exitCode, stderr } = await program.run('image', 'lock', '--definition', 'mine.yaml')
    expect(stderr).toMatch(/there is no base image for linux\/arm64[\s\S]*base:1/)
    expect(exitCode).toBe(3)
    expect(await readFile(join(folder, 'mine.yaml'), 'utf8')).toBe(text)
    await writeFile(join(folder, 'mine.yaml'), text.replace(', linux/arm64', ''))
    expect((await program.ok('image', 'lock', '--definition', 'mine.yaml')).stdout).toContain(`${name}: no digest -> `)
  })

  it("means the program's own definitions where there is no checkout", async () => {
    const { exitCode, stderr } = await native.run('image', 'lock', '--image', 'nosuch')
    expect(stderr).toContain('There are: native, native-worker-lre-cc.')
    expect(exitCode).toBe(3)
  })
})
