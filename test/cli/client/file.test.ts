import { chmod, link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { changeFile } from '../../../src/cli/client/file.ts'
import { Failure } from '../../../src/core/failure.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-client-'))
  file = join(folder, 'conf')
})
afterEach(() => rm(folder, { recursive: true }))

const append = (text: string) => `${text}x\n`
const same = (text: string) => text

test('makes a file that is not there, and says whether it changed', async () => {
  expect(await changeFile(file, append)).toBe(true)
  expect(await changeFile(file, same)).toBe(false)
  expect(await readFile(file, 'utf8')).toBe('x\n')
  expect(await changeFile(join(folder, 'none'), same)).toBe(false)
  expect(await readdir(folder)).toEqual(['conf'])
})

test('keeps the permissions, and a byte order mark', async () => {
  await writeFile(file, '\uFEFFsecret\r\n')
  await chmod(file, 0o600)
  await changeFile(file, append)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readFile(file, 'utf8')).toBe('\uFEFFsecret\r\nx\n')
})

test('never writes through a link, whatever it leads to', async () => {
  await writeFile(join(folder, 'theirs'), 'theirs\n')
  await symlink('theirs', file)
  await expect(changeFile(file, append)).rejects.toMatchObject({
    kind: 'invalid',
    where: file,
    next: [`Name the file itself: ${join(folder, 'theirs')}`],
  })
  await symlink('nowhere', join(folder, 'dangling'))
  await expect(changeFile(join(folder, 'dangling'), append)).rejects.toMatchObject({ kind: 'invalid' })
  await link(join(folder, 'theirs'), join(folder, 'second'))
  await changeFile(join(folder, 'second'), append)
  expect(await readFile(join(folder, 'theirs'), 'utf8')).toBe('theirs\n')
  expect((await readdir(folder)).toSorted()).toEqual(['conf', 'dangling', 'second', 'theirs'])
})

test('leaves what is not text, not a file, or too large as it is', async () => {
  await writeFile(file, Buffer.from([0x61, 0xff, 0x0a]))
  await expect(changeFile(file, append)).rejects.toMatchObject({ kind: 'invalid', message: /UTF-8/ })
  expect(await readFile(file)).toEqual(Buffer.from([0x61, 0xff, 0x0a]))
  await mkdir(join(folder, 'sub'))
  await expect(changeFile(join(folder, 'sub'), append)).rejects.toMatchObject({ message: 'it is not a regular file' })
  await writeFile(file, Buffer.alloc(5 * 1024 * 1024, 'a'))
  await expect(changeFile(file, append)).rejects.toMatchObject({ message: /5242880 bytes/ })
})

test('a folder that does not exist is told, with the way to make it', async () => {
  await expect(changeFile(join(folder, 'no/such'), append)).rejects.toMatchObject({
    kind: 'not-found',
    next: expect.arrayContaining([`Make its folder first: mkdir -p '${join(folder, 'no')}'`]),
  })
})

test('what the change itself finds wrong is told with the file', async () => {
  const refuse = () => {
    throw new Failure('invalid', 'no end', { where: 'line 2' })
  }
  await expect(changeFile(file, refuse)).rejects.toMatchObject({ message: 'no end', where: `${file}, line 2` })
})
