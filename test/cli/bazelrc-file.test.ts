import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { profileOf } from '../../src/cli/bazel-profile.ts'
import { removeBlock, writeBlock } from '../../src/cli/bazelrc-file.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-bazelrc-'))
})
afterEach(() => rm(folder, { recursive: true }))

const block = '# >>> native: cluster a (kept by "native bazelrc --write") >>>\nx\n# <<< native: cluster a <<<\n'

test('a file that is not there is made, and writing again changes nothing', async () => {
  const file = join(folder, '.bazelrc')
  expect(await writeBlock(file, 'a', block)).toBe(true)
  expect(await writeBlock(file, 'a', block)).toBe(false)
  expect(await readFile(file, 'utf8')).toBe(block)
})

test('removing gives the file back as it was', async () => {
  const file = join(folder, '.bazelrc')
  await writeFile(file, 'build --mine\n')
  await writeBlock(file, 'a', block)
  expect(await removeBlock(file, 'a')).toBe(true)
  expect(await removeBlock(file, 'a')).toBe(false)
  expect(await readFile(file, 'utf8')).toBe('build --mine\n')
})

test('a damaged block is told with the file and the line', async () => {
  const file = join(folder, '.bazelrc')
  await writeFile(file, 'first\n# >>> native: cluster a (kept by "native bazelrc --write") >>>\n')
  await expect(writeBlock(file, 'a', block)).rejects.toMatchObject({ kind: 'invalid', where: `${file}, line 2` })
})

test('a folder that does not exist is told', async () => {
  await expect(writeBlock(join(folder, 'no/such'), 'a', block)).rejects.toMatchObject({ kind: 'invalid' })
})

describe('what the workers tell', () => {
  const worker = (slots: number, image?: string) => ({
    name: 'w',
    slots,
    busy: 0,
    leaving: false,
    version: '1',
    properties: [
      { name: 'OSFamily', value: 'linux' },
      ...(image === undefined ? [] : [{ name: 'container-image', value: image }]),
    ],
  })

  test('more jobs than slots, and never few', () => {
    expect(profileOf([worker(8), worker(8)]).jobs).toBe(32)
    expect(profileOf([]).jobs).toBe(8)
  })

  test('the image is asked for when all have the same', () => {
    expect(profileOf([worker(1, 'a'), worker(1, 'a')]).properties).toEqual([{ name: 'container-image', value: 'a' }])
    expect(profileOf([worker(1, 'a'), worker(1, 'b')]).properties).toEqual([])
    expect(profileOf([worker(1, 'a'), worker(1)]).properties).toEqual([])
  })
})
