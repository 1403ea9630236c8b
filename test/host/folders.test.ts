import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeFolder, makePrivateFolder } from '../../src/host/folders.ts'
import { testFolder } from '../fixture/folder.ts'

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

describe('making a folder', () => {
  it('makes those above it too, and takes one that is there', async () => {
    const path = join(await testFolder(), 'a/b/c')
    makeFolder(path, undefined, 0o700)
    makeFolder(path)
    expect(await modeOf(path)).toBe(0o700)
    expect(await modeOf(join(path, '../..'))).toBe(0o700)
  })

  it('takes a link to a folder, and no other', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'real'))
    await symlink('real', join(folder, 'link'))
    await symlink('nowhere', join(folder, 'dangling'))
    makeFolder(join(folder, 'link/new'))
    expect((await stat(join(folder, 'real/new'))).isDirectory()).toBe(true)
    expect(() => makeFolder(join(folder, 'dangling'))).toThrow(expect.objectContaining({ kind: 'exists' }))
    expect(() => makeFolder(join(folder, 'dangling/x'))).toThrow(expect.objectContaining({ kind: 'exists' }))
  })

  it('ends with what is wrong, and where', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'file'), '')
    const failing = (path: string) => () => makeFolder(path, 'cannot make the folder of the test')
    expect(failing(join(folder, 'file'))).toThrow(expect.objectContaining({ kind: 'exists' }))
    expect(failing(join(folder, 'file/x/y'))).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        where: join(folder, 'file/x/y'),
        message: `cannot make the folder of the test: "${join(folder, 'file')}" is a file, not a folder (ENOTDIR)`,
      }),
    )
  })

  it.runIf(process.platform === 'linux')('ends where the system has no folders', () => {
    expect(() => makeFolder('/proc/nope/deeper')).toThrow(expect.objectContaining({ kind: 'invalid' }))
  })
})

describe('a folder for one user alone', () => {
  it('is shut to others, if need be', async () => {
    const folder = await testFolder()
    await chmod(folder, 0o755)
    makePrivateFolder(folder, process.getuid?.() ?? -1)
    expect(await modeOf(folder)).toBe(0o700)
  })

  it("is refused when it is another's, or a link", async () => {
    const folder = await testFolder()
    const uid = process.getuid?.() ?? 0
    expect(() => makePrivateFolder(folder, uid + 1)).toThrow(expect.objectContaining({ kind: 'denied' }))
    await symlink('/', join(folder, 'link'))
    expect(() => makePrivateFolder(join(folder, 'link'), uid)).toThrow(expect.objectContaining({ kind: 'denied' }))
  })
})
