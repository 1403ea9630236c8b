import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeExample } from '../../src/cli/example.ts'

const template = join(import.meta.dirname, '../../templates/example')
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-example-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('the workspace holds the target that the README builds, and its dot files', async () => {
  await writeExample(template, join(folder, 'new/place'))
  const target = join(folder, 'new/place')
  expect(await readFile(join(target, 'local-remote-execution/examples/BUILD.bazel'), 'utf8')).toContain('hello_lre')
  expect(await readFile(join(target, '.bazelrc'), 'utf8')).toContain('try-import %workspace%/native.bazelrc')
  expect((await readdir(target)).filter((name) => name.startsWith('dot-'))).toEqual([])
})

test('a folder with something in it is left as it is', async () => {
  await writeFile(join(folder, 'mine'), '')
  await expect(writeExample(template, folder)).rejects.toMatchObject({ kind: 'exists', where: folder })
  expect(await readdir(folder)).toEqual(['mine'])
})

test('a file in the way is named', async () => {
  await writeFile(join(folder, 'file'), '')
  await expect(writeExample(template, join(folder, 'file'))).rejects.toMatchObject({ kind: 'exists' })
})
