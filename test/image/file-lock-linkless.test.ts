import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { withFileLock } from '../../src/image/media/file-lock.ts'
import { testFolder } from '../fixture/folder.ts'

// A fault that file systems of sticks and of some networks produce, and those of the machines that test do not.
vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  link: async () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM', syscall: 'link' })
  },
}))

it('the lock of a file is had on a file system without links, too', async () => {
  const folder = await testFolder()
  const file = join(folder, 'count')
  await writeFile(file, '0')
  await writeFile(`${file}.lock`, 'somebody who has died')
  const add = () =>
    withFileLock(
      file,
      async () => {
        const count = Number(await readFile(file, 'utf8'))
        await writeFile(file, String(count + 1))
      },
      200,
    )
  await Promise.all(Array.from({ length: 8 }, add))
  expect(await readFile(file, 'utf8')).toBe('8')
  expect(await readdir(folder)).toEqual(['count'])
})
