import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testFolder } from '../fixture/folder.ts'
import { installNode } from '../fixture/nodes.ts'
import { root } from '../fixture/program.ts'

// What runs before the program does: bin/run.js of every installation, bin/checkout.js of `npm start` and `npm test`.
// The Nodes are real ones: Ubuntu 22.04 brings Node 12, Debian 12 and Ubuntu 24.04 bring 18, Debian 13 brings 20.

const minutes = 60_000
const needed = '22.19'

let nodes: string
let old: Readonly<Record<string, string>>
beforeAll(async () => {
  nodes = await realpath(await mkdtemp(join(tmpdir(), 'native-nodes-')))
  const majors = ['12', '18', '20']
  const found = await Promise.all(majors.map((major) => installNode(major, join(nodes, major))))
  old = Object.fromEntries(majors.map((major, at) => [major, found[at] ?? '']))
}, 10 * minutes)
afterAll(() => rm(nodes, { recursive: true, force: true }))

/** The checkout's bin in a folder of its own, where nothing is installed or built. */
async function checkout(): Promise<string> {
  const folder = await testFolder()
  await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  return folder
}

const start = (node: string, folder: string, ...args: string[]) =>
  execa(node, [join(folder, 'bin', args[0] ?? ''), ...args.slice(1)], { reject: false, cwd: folder })

const tooOld = (major: string) =>
  new RegExp(`^native: needs Node 22\\.19 or later; this is ${major}\\.\\d+\\.\\d+ \\(.*\\)$`)

describe('a Node that is too old is told in one line, without a stack', () => {
  test.each(['12', '18', '20'])('by the program, Node %s', async (major) => {
    const { exitCode, stdout, stderr } = await start(old[major] ?? '', await checkout(), 'run.js', 'up')
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toMatch(tooOld(major))
  })

  test.each([
    ['start', '12'],
    ['start', '18'],
    ['test', '18'],
  ])('by npm %s, Node %s', async (script, major) => {
    const { exitCode, stdout, stderr } = await start(old[major] ?? '', await checkout(), 'checkout.js', script)
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toMatch(tooOld(major))
  })
})

test.each(['18', '20'])(
  'under Node %s the program of a checkout runs on the checkout’s own, with the same arguments and exit code',
  async (major) => {
    const folder = await checkout()
    const own = join(folder, 'node_modules/node/bin')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'node'), '#!/bin/sh\nprintf "%s\\n" "$@"\nexit 42\n')
    await chmod(join(own, 'node'), 0o755)
    await symlink(join(folder, 'bin/run.js'), join(folder, 'native'))
    const linked = await execa(old[major] ?? '', [join(folder, 'native'), 'exec', '--', 'a b'], { reject: false })
    expect(linked.stdout.split('\n')).toEqual([join(folder, 'bin/run.js'), 'exec', '--', 'a b'])
    expect(linked.exitCode).toBe(42)
  },
)

test('a checkout that is not built says how to build it', async () => {
  const { exitCode, stderr } = await start(process.execPath, await checkout(), 'run.js', 'up')
  expect(exitCode).toBe(5)
  expect(stderr).toMatch(/^native: this checkout is not built: .*npm/)
})

test.each([
  ['22.19', [22, 19], true],
  ['an earlier major version', [9, 99], true],
  ['a later minor version', [Number(process.versions.node.split('.')[0]), 999], false],
  ['a later major version', [99, 0], false],
])('what is needed is judged by number: %s', async (_, version, enough) => {
  const folder = await checkout()
  const file = join(folder, 'bin/run.js')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('[22, 19]', JSON.stringify(version)))
  const { stderr } = await start(process.execPath, folder, 'run.js', 'up')
  expect(stderr.includes('not built')).toBe(enough)
})

test('one Node is promised everywhere', async () => {
  const read = (file: string) => readFile(join(root, file), 'utf8')
  const { engines, devDependencies } = JSON.parse(await read('package.json'))
  expect(engines).toEqual({ node: `>=${needed}` })
  expect(await read('bin/run.js')).toContain(`const needed = [${needed.replace('.', ', ')}]\n`)
  for (const file of ['README.md', 'bin/checkout.js', 'CONTRIBUTING.md']) {
    const promised = [...(await read(file)).matchAll(/Node (\d[\d.]*) or later/g)].map(([, version]) => version)
    expect({ file, promised: [...new Set(promised)] }).toEqual({ file, promised: [needed] })
  }
  // The oldest and the pinned one are those that are tried.
  const pinned = /^\^(\d+)\./.exec(devDependencies.node)?.[1]
  expect(await read('.github/workflows/quick.yaml')).toContain(`node: ['${needed}', '${pinned}']`)
  expect((await read('.nvmrc')).trim()).toBe(pinned)
})
