import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'

let native: Native
let cache: string

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--slots', '2')
  cache = JSON.parse((await native.ok('ips', '--json')).stdout).cache.address
  await mkdir(join(native.home, 'src'))
  await writeFile(join(native.home, 'src/words'), 'one two')
})
afterAll(() => native.dispose())

async function exec(...args: string[]): Promise<string> {
  return JSON.parse((await native.ok('exec', '--json', '--input', 'src', ...args)).stdout).action
}

test('what two actions differ in is told, each difference with both sides', async () => {
  const one = await exec('--env', 'TOKEN=hunter2', '--', '/bin/wc', '-w', 'words')
  await writeFile(join(native.home, 'src/words'), 'one two three')
  const other = await exec('--env', 'TOKEN=correct', '--', '/bin/wc', '-c', '-w', 'words')
  const { stdout } = await native.ok('diff', one, other.replace('/', ':'))
  expect(stdout.split('\n')).toEqual([
    `Actions ${one.slice(0, 8)} (-) and ${other.slice(0, 8)} (+) differ in 3 things:`,
    'argument 1 is only in the second',
    '  + -c',
    'variable TOKEN differs',
    '  - (hidden)',
    '  + (hidden)',
    'input words has other contents',
    expect.stringMatching(/^ {2}- file, 7 B, [0-9a-f]{8}$/),
    expect.stringMatching(/^ {2}\+ file, 13 B, [0-9a-f]{8}$/),
  ])
})

test('the hash alone names an action of the own cluster, and an action is the same as itself', async () => {
  const action = await exec('--', '/bin/true')
  const [hash = ''] = action.split('/')
  const { stdout } = await native.ok('diff', hash, action)
  expect(stdout).toBe(`Both are the same action, ${hash.slice(0, 8)}.`)
})

test('the beginning of a hash names an action of the history, as explain says it', async () => {
  const make = (word: string) => exec('--output', 'made', '--', '/bin/sh', '-c', `echo ${word} > made`)
  await make('one')
  const action = await make('other')
  const explained = await eventually(
    async () => (await native.ok('explain', action)).stdout,
    (text) => text.includes('All differences'),
  )
  const [, ...beginnings] = /native diff ([0-9a-f]{8}) ([0-9a-f]{8})/.exec(explained) ?? []
  expect(action).toMatch(new RegExp(`^${beginnings[1]}`))
  expect((await native.ok('diff', ...beginnings)).stdout).toContain('echo one > made')
  const { exitCode, stderr } = await native.run('diff', action, '00000000')
  expect(exitCode).toBe(3)
  expect(stderr).toContain('no action that was built recently begins with "00000000"')
})

test('with a cache alone, Bazel uploads no tree: what is known is told, and what is not', async () => {
  const channel = openChannel(`grpc://${cache}`)
  try {
    const store = async (argument: string, contents: string) => {
      const command = blobOf(re.Command.encode({ arguments: ['cc', argument], outputPaths: ['a.o'] }).finish())
      const root = blobOf(re.Directory.encode({ files: [{ name: 'a.cc', digest: wire(blobOf(contents)) }] }).finish())
      const action = blobOf(re.Action.encode({ commandDigest: wire(command), inputRootDigest: wire(root) }).finish())
      await createCasClient(channel).upload([command, action].map(({ digest, bytes }) => ({ digest, content: bytes })))
      await createActionsClient(channel).update(action.digest, { exitCode: 0 })
      return `${action.digest.hash}/${action.digest.size}`
    }
    const [one, other] = [await store('-O2', 'old'), await store('-O3', 'new')]
    const { unknown } = JSON.parse((await native.ok('diff', '--json', one, other)).stdout)
    // As docs/json.md says.
    expect(unknown).toEqual([
      { what: 'input tree', side: 'one', path: '', digest: expect.stringMatching(/^[0-9a-f]{64}\/\d+$/) },
      { what: 'input tree', side: 'other', path: '', digest: expect.stringMatching(/^[0-9a-f]{64}\/\d+$/) },
    ])
    const { stdout } = await native.ok('diff', one, other)
    expect(stdout).toContain('argument 1 differs\n  - -O2\n  + -O3\n')
    expect(stdout).toMatch(/Inputs differ, but which ones is not known: the input tree of the first action/)
  } finally {
    channel.close()
  }
})

test('what is not an action is refused, with the exit code of its kind', async () => {
  const action = await exec('--', '/bin/true')
  const unknown = `${'0'.repeat(64)}/142`
  const ran = await Promise.all([
    native.run('diff', action, 'nonsense'),
    native.run('diff', action, 'ab'),
    native.run('diff', action, unknown),
    native.run('diff', action, '0'.repeat(64)),
    native.run('diff', action, `${'0'.repeat(40)}/142`),
    native.run('diff', action),
  ])
  expect(ran.map(({ exitCode }) => exitCode)).toEqual([2, 2, 3, 3, 2, 2])
  expect(ran[0]?.stderr).toContain('"nonsense" is not the digest of an action')
  expect(ran[1]?.stderr).toContain('"ab" is not the digest of an action')
  expect(ran[2]?.stderr).toContain('there is no such action in the cache')
})

function wire({ digest }: { digest: { hash: string; size: number } }): re.Digest.$Properties {
  return { hash: digest.hash, sizeBytes: digest.size }
}
