import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pathInTree } from '../../../src/worker/images/tree.ts'
import { testFolder } from '../../fixture/folder.ts'

test('a path that leads nowhere in an image is not there, whatever the system says of it', async () => {
  const tree = await testFolder()
  mkdirSync(join(tree, 'usr/bin'), { recursive: true })
  writeFileSync(join(tree, 'usr/bin/tool'), '')
  symlinkSync('usr/bin', join(tree, 'bin'))
  symlinkSync('circle', join(tree, 'circle'))
  const found = join(tree, 'usr/bin/tool')
  expect(['/bin/tool', '/usr/../bin/./tool', '/../bin/tool'].map((path) => pathInTree(tree, path))).toEqual([
    found,
    found,
    found,
  ])
  const nowhere = [
    '/usr/bin/tool/cat',
    '/usr/bin/tool/..',
    '/missing/../bin/tool',
    `/${'n'.repeat(300)}/tool`,
    `${'/usr/..'.repeat(1000)}/bin/tool`,
    '/circle/tool',
  ]
  for (const path of nowhere) expect([path, pathInTree(tree, path)]).toEqual([path, undefined])
})
