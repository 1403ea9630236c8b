import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { testFolder } from '../fixture/folder.ts'
import { root } from '../fixture/program.ts'

/** bin/run.js in a checkout of its own, which asks for a Node that nobody has. */
async function checkout(node: string): Promise<string> {
  const folder = await testFolder()
  await mkdir(join(folder, 'bin'))
  await copyFile(join(root, 'bin/run.js'), join(folder, 'bin/run.js'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', engines: { node } }))
  return folder
}

const start = (folder: string, ...args: string[]) =>
  execa(process.execPath, [join(folder, 'bin/run.js'), ...args], { reject: false })

test('on a Node that is too old, without a better one, it is one clear line', async () => {
  const { exitCode, stderr } = await start(await checkout('>=99.1'), 'up')
  expect(exitCode).toBe(5)
  expect(stderr).toMatch(/^native: needs Node 99\.1 or later, this is \d+\.\d+\.\d+ \(.*\)$/)
})

test('on a Node that is too old it runs again under the checkout’s own, with the same arguments and exit code', async () => {
  const folder = await checkout('>=99.1')
  const own = join(folder, 'node_modules/node/bin')
  await mkdir(own, { recursive: true })
  await writeFile(join(own, 'node'), '#!/bin/sh\nprintf "%s\\n" "$@"\nexit 42\n')
  await chmod(join(own, 'node'), 0o755)
  const { exitCode, stdout } = await start(folder, 'exec', '--', 'a b')
  expect(stdout.split('\n')).toEqual([join(folder, 'bin/run.js'), 'exec', '--', 'a b'])
  expect(exitCode).toBe(42)
})

test('a checkout that is not built says how to build it', async () => {
  const { exitCode, stderr } = await start(await checkout('>=20.0'), 'up')
  expect(exitCode).toBe(5)
  expect(stderr).toMatch(/^native: this checkout is not built: .*npm/)
})

test.each([
  ['the same version', process.versions.node, true],
  ['an earlier one', '9.9.9', true],
  ['a later patch', process.versions.node.replace(/\d+$/, '999'), false],
])('%s is judged by number', async (_, version, enough) => {
  const { stderr } = await start(await checkout(`>=${version}`), 'up')
  expect(stderr.includes('not built')).toBe(enough)
})
