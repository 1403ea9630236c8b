import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withFileLock } from '../../src/image/media/file-lock.ts'
import { testFolder } from '../fixture/folder.ts'

describe('the lock of a file', () => {
  it('lets one after the other work, and is gone afterwards', async () => {
    const folder = await testFolder()
    const file = join(folder, 'count')
    await writeFile(file, '0')
    let running = 0
    const add = () =>
      withFileLock(file, async () => {
        running += 1
        expect(running).toBe(1)
        const count = Number(await readFile(file, 'utf8'))
        await writeFile(file, String(count + 1))
        running -= 1
      })
    await Promise.all(Array.from({ length: 10 }, add))
    expect(await readFile(file, 'utf8')).toBe('10')
    expect(await readdir(folder)).toEqual(['count'])
  })

  it('is given back when the work fails, and gives what it gives', async () => {
    const folder = await testFolder()
    const file = join(folder, 'x')
    const failing = withFileLock(file, async () => {
      expect(await readdir(folder)).toEqual(['x.lock'])
      throw new Error('broken')
    })
    await expect(failing).rejects.toThrow('broken')
    expect(await withFileLock(file, async () => 7)).toBe(7)
    expect(await readdir(folder)).toEqual([])
  })

  it.each(['somebody', ''])(
    'is taken over from a holder ("%s") that has died over it, by one after the other',
    async (text) => {
      const folder = await testFolder()
      const file = join(folder, 'x')
      await writeFile(`${file}.lock`, text)
      let running = 0
      const work = () =>
        withFileLock(
          file,
          async () => {
            running += 1
            expect(running).toBe(1)
            await readdir(folder)
            running -= 1
          },
          100,
        )
      await Promise.all(Array.from({ length: 5 }, work))
      expect(await readdir(folder)).toEqual([])
    },
  )

  it('of a holder that works for longer than it may is not removed when that ends', async () => {
    const folder = await testFolder()
    const file = join(folder, 'x')
    await withFileLock(file, async () => {
      await withFileLock(file, async () => undefined, 50)
      await writeFile(`${file}.lock`, 'another')
    })
    expect(await readFile(`${file}.lock`, 'utf8')).toBe('another')
  })

  it('cannot be had where there is no folder', async () => {
    const folder = await testFolder()
    await expect(withFileLock(join(folder, 'no/x'), async () => 1)).rejects.toMatchObject({ kind: 'not-found' })
    await mkdir(join(folder, 'no'))
    expect(await withFileLock(join(folder, 'no/x'), async () => 1)).toBe(1)
  })
})
