import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ifThere, isThere, readIfThere, remove, writeWhole } from '../../src/host/files.ts'
import { testFolder } from '../fixture/folder.ts'

it('an error names what was read or written, and the part of the path that is in the way', async () => {
  const folder = await testFolder()
  const file = join(folder, 'file')
  await writeFile(file, '')
  const path = join(file, 'native/c8/cluster.json')
  const why = `"${file}" is a file, not a folder (ENOTDIR)`
  const failing = (doing: string) => expect.objectContaining({ message: `${doing}: ${why}`, where: path })
  await expect(readIfThere(path)).rejects.toEqual(failing('cannot read cluster.json'))
  await expect(readIfThere(path, 'the state')).rejects.toEqual(failing('cannot read the state'))
  await expect(isThere(path)).rejects.toEqual(failing('cannot look for cluster.json'))
  await expect(writeWhole(path, '')).rejects.toEqual(failing('cannot write cluster.json'))
})

it('what is not there is no error, and a folder is not a file', async () => {
  const folder = await testFolder()
  expect(await readIfThere(join(folder, 'no/such/file'))).toBe(undefined)
  expect(await isThere(join(folder, 'no/such/file'))).toBe(false)
  await remove(join(folder, 'no/such/file'))
  await mkdir(join(folder, 'settings'))
  await expect(readIfThere(join(folder, 'settings'))).rejects.toMatchObject({
    message: 'cannot read settings: it is a folder, but a file is expected (EISDIR)',
  })
})

it('a call on a path that leads nowhere gives nothing, and any other error stays one', async () => {
  const folder = await testFolder()
  const file = join(folder, 'file')
  await writeFile(file, 'text')
  expect(await ifThere(readFile(file, 'utf8'))).toBe('text')
  expect(await ifThere(readFile(join(folder, 'none'), 'utf8'))).toBe(undefined)
  await expect(ifThere(readFile(join(file, 'below')))).rejects.toMatchObject({ code: 'ENOTDIR' })
  expect(await ifThere(readFile(join(file, 'below')), 'ENOTDIR')).toBe(undefined)
  await expect(ifThere(Promise.reject(new Error('a bug')))).rejects.toThrow('a bug')
})
