import { chmod, lstat, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { refreshLock } from '../../../src/image/lock.ts'
import { platformText } from '../../../src/image/platform.ts'
import { testFolder } from '../../fixture/folder.ts'

const digest = `sha256:${'b'.repeat(64)}` as const
const text = 'name: mine\nbase: {image: host.example/base:1}\nplatforms: [linux/amd64, linux/arm64]\n'

async function definition(changed = text): Promise<{ folder: string; file: string }> {
  const folder = await testFolder()
  const file = join(folder, 'mine.yaml')
  await writeFile(file, changed)
  return { folder, file }
}

/** Nothing may be asked. */
const unasked = async (): Promise<never> => expect.unreachable()

describe('the lock of a definition', () => {
  it('is written to where a symbolic link leads', async () => {
    const { folder, file } = await definition()
    const link = join(folder, 'link.yaml')
    await symlink('mine.yaml', link)
    expect(await refreshLock(link, async () => digest)).toMatchObject({ file: link, after: digest })
    expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect(await readFile(file, 'utf8')).toContain(digest)
  })

  it.each([0o600, 0o664, 0o755])('leaves the mode of its file: %o', async (mode) => {
    const { file } = await definition()
    await chmod(file, mode)
    await refreshLock(file, async () => digest)
    expect((await stat(file)).mode & 0o777).toBe(mode)
  })

  it('is not written into a file that nobody may write', async () => {
    const { file } = await definition()
    await chmod(file, 0o444)
    await expect(refreshLock(file, async () => digest)).rejects.toMatchObject({ kind: 'denied', where: file })
    expect(await readFile(file, 'utf8')).toBe(text)
    expect((await stat(file)).mode & 0o777).toBe(0o444)
  })

  it('is not looked for without a tag', async () => {
    const { file } = await definition(text.replace('base:1', `base@${digest}`))
    await expect(refreshLock(file, unasked)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('no tag'),
      where: file,
    })
  })

  it('is for the platforms that the definition names', async () => {
    const { file } = await definition()
    const asked: string[] = []
    await refreshLock(file, async (_, platforms) => {
      asked.push(...platforms.map(platformText))
      return digest
    })
    expect(asked).toEqual(['linux/amd64', 'linux/arm64'])
    const { file: odd } = await definition(text.replace('linux/arm64', 'amiga'))
    await expect(refreshLock(odd, unasked)).rejects.toMatchObject({ kind: 'invalid', where: odd })
  })

  it('is of a regular file', async () => {
    const { folder } = await definition()
    await mkdir(join(folder, 'folder'))
    await execa('mkfifo', [join(folder, 'pipe')])
    for (const name of ['folder', 'pipe'])
      await expect(refreshLock(join(folder, name), unasked)).rejects.toMatchObject({ kind: 'invalid' })
  })
})
