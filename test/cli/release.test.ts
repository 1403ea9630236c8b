import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { releaseOf } from '../../src/cli/release.ts'
import { testFolder } from '../fixture/folder.ts'

test('the release of a package is its version', async () => {
  expect(await releaseOf(await testFolder(), '1.2.3')).toBe('1.2.3')
})

test('the release of a checkout changes with what was built', async () => {
  const root = await testFolder()
  await mkdir(join(root, 'dist'))
  await writeFile(join(root, 'dist/.built'), 'a'.repeat(64))
  const first = await releaseOf(root, '1.2.3')
  expect(first).toBe('1.2.3+aaaaaaaaaaaa')
  await writeFile(join(root, 'dist/.built'), 'b'.repeat(64))
  expect(await releaseOf(root, '1.2.3')).not.toBe(first)
})
