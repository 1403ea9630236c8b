import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { buildMerkleTree, treeSources } from '../../../src/client/merkle.ts'
import { usageIn } from '../../../src/wire/resource-usage.ts'
import { Code } from '../../../src/wire/rpc.ts'
import { ActionCancelled } from '../../../src/worker/action-error.ts'
import { eventually } from '../../fixture/eventually.ts'
import { testFolder } from '../../fixture/folder.ts'
import { uploadFolder } from '../worker-context.ts'
import { openToolContext } from './tool.ts'

vi.setConfig({ testTimeout: 60_000 })

const onLinux = process.platform === 'linux'
/** The ways of this system to keep an action apart. */
const ways = onLinux ? (['sandbox', 'namespace', 'marks', 'group'] as const) : (['group'] as const)
const multiplex = { 'supports-multiplex-workers': '1', 'supports-multiplex-sandboxing': '1' }

describe.each(ways)('in a slot by %s, a tool that stays', (way) => {
  test.each([false, true])('does one action after the other (JSON: %s)', async (json) => {
    const { compile, context } = await openToolContext({ ways: [way] })
    const first = await compile({ text: 'one', json })
    expect([first.result.exitCode, first.stderr, first.stdout]).toEqual([0, 'compiled source.txt', ''])
    expect(first.out).toMatch(/^ONE# request 1 /)
    const second = await compile({ text: 'two', json })
    expect(second.out).toMatch(/^TWO# request 2 /)
    expect([second.tool, second.cwd]).toEqual([first.tool, first.cwd])
    expect(context.persistentTools?.size).toBe(1)
    // What a tool uses cannot be told apart by actions.
    expect([usageIn(first.result), usageIn(second.result)]).toEqual([{}, {}])
  })

  test('finds nothing of an action in the next one', async () => {
    const { compile } = await openToolContext({ ways: [way] })
    const first = await compile({
      text: 'one',
      flags: ['--leave=bin/tool/junk', '--leave=left.txt', '--leave=rest'],
      files: { 'deep/er/input': 'x', 'bin/input': 'y' },
    })
    expect(await first.file('left.txt')).toBe('left\n')
    const second = await compile({ text: 'two', flags: ['--list'] })
    expect(second.tool).toBe(first.tool)
    expect(second.out.split('\n').slice(0, -2)).toEqual(['TWO./bin/flags', './bin/tool/compiler.py', './source.txt'])
  })

  test('that hangs is ended by the time-out', async () => {
    const { compile, context } = await openToolContext({ ways: [way] })
    const { response } = await compile({ text: 'hangs', timeoutMs: 1500 })
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(context.persistentTools?.size).toBe(0)
  })
})

test('each request tells the inputs, those of the tool too', async () => {
  const { compile } = await openToolContext()
  const { out } = await compile({ text: 'one', flags: ['--inputs'], workingDirectory: 'a/b', files: { 'c/d': 'x' } })
  expect(out.split('\n').slice(0, -2)).toEqual(['ONEbin/flags', 'bin/tool/compiler.py', 'c/d', 'source.txt'])
})

test('flag files name others; what is escaped or a label stays', async () => {
  const { compile } = await openToolContext()
  const files = { more: '--list\nsource.txt\n', '@@odd': 'odd', '@repo/x': '' }
  const { out } = await compile({ text: 'one', flags: ['@more', '@@odd'], files })
  expect(out).toMatch(/^ONEODDONE/)
  const absent = await compile({ text: 'one', flags: ['@absent'] })
  // Who has started the command then is another matter: none of the tool's processes has.
  expect(absent.response.status?.code ?? 0).toBe(0)
  const endless = await compile({ text: 'one', flags: ['@more'], files: { more: '@more' } })
  expect(endless.response.status?.code).toBe(Code.INVALID_ARGUMENT)
})

test('other tool inputs, variables or startup flags are another process', async () => {
  const { compile, context } = await openToolContext()
  await compile({ text: 'one' })
  expect((await compile({ text: 'two', tools: { library: 'x' } })).request).toBe(1)
  expect((await compile({ text: 'two', startup: ['--verbose'] })).request).toBe(1)
  expect((await compile({ text: 'two' })).request).toBe(2)
  expect(context.persistentTools?.size).toBe(3)
})

test('a tool that works in a deeper folder keeps it', async () => {
  const { compile } = await openToolContext()
  const first = await compile({ text: 'one', workingDirectory: 'a/b' })
  const second = await compile({ text: 'two', workingDirectory: 'a/b' })
  expect([second.request, second.cwd]).toEqual([2, first.cwd])
  expect(first.cwd).toMatch(/\/a\/b$/)
})

test('a failure comes with what the tool has logged meanwhile, and the tool goes on', async () => {
  const { compile } = await openToolContext()
  const failed = await compile({ text: 'one', flags: ['--fail'] })
  expect(failed.result.exitCode).toBe(3)
  expect(failed.stderr).toBe(
    'it does not compile\nnative worker: what the persistent process has logged meanwhile:\nwhat the log says\n',
  )
  expect((await compile({ text: 'two' })).request).toBe(2)
})

describe.each([false, true])('a tool that breaks the protocol (JSON: %s)', (json) => {
  test.each([
    ['garbage', /it wrote something that is not a WorkResponse to its standard output.*and more/s, 1],
    ['huge', /WorkResponse of more than 16777216 bytes/, 1],
    ['dies', /it ended with exit code 7 before it answered\n.*logged meanwhile:\nit dies\n$/s, 7],
  ])('%s: is ended, and the action says so', async (text, words, exitCode) => {
    const { compile, context } = await openToolContext()
    const { response, result, stderr } = await compile({ text, json })
    expect(response.status?.code ?? 0).toBe(Code.OK)
    expect(stderr).toMatch(/^native worker: the persistent process of this action did not answer: /)
    expect(stderr).toMatch(words)
    expect(result.exitCode).toBe(exitCode)
    expect(context.persistentTools?.size).toBe(0)
  })
})

test('an action whose tool falls to what others have done before it is done by a new one', async () => {
  const { compile } = await openToolContext()
  const first = await compile({ text: 'one' })
  const second = await compile({ text: 'second' })
  expect(second.result.exitCode).toBe(0)
  expect(second.request).toBe(1)
  expect(second.tool).not.toBe(first.tool)
})

test('no more processes do the same than actions run at once', async () => {
  const { compile, context } = await openToolContext()
  const all = await Promise.all(Array.from({ length: 12 }, (_, at) => compile({ text: `text ${at}` })))
  expect(all.map(({ result }) => result.exitCode)).toEqual(Array(12).fill(0))
  expect(new Set(all.map(({ tool }) => tool)).size).toBe(4)
  expect(context.persistentTools?.size).toBe(4)
})

const ofWays = [
  ['sandbox', 'auto'],
  ['sandbox', 'copy'],
  ['group', 'auto'],
] as const
test.each(ofWays.filter(([way]) => onLinux || way === 'group'))(
  'a tool that changes itself does no other action (%s, inputs: %s)',
  async (way, inputs) => {
    const { compile, context } = await openToolContext({ ways: [way], inputs })
    const first = await compile({ text: 'scribbles' })
    expect(first.result.exitCode).toBe(0)
    expect((await compile({ text: 'two' })).request).toBe(1)
    expect(context.persistentTools?.size).toBe(1)
  },
)

test.runIf(onLinux)('a process starts before the inputs of its first action are there', async () => {
  const { compile } = await openToolContext({ ways: ['sandbox'] })
  const { out } = await compile({
    text: 'one',
    flags: ['--seen-at-start'],
    files: { 'sitecustomize.py': '', 'bin/x': '' },
  })
  expect(out.split('\n').slice(0, -2)).toEqual(['ONE./bin/tool/compiler.py'])
})

test.runIf(onLinux)('what a tool has started does not run between actions', async () => {
  const { compile } = await openToolContext({ ways: ['sandbox'] })
  for (const text of ['child', 'two', 'three']) expect((await compile({ text })).result.exitCode).toBe(0)
})

test('that fills the disk is ended, and the action says so', async () => {
  const { compile, context } = await openToolContext()
  const { response, result } = await compile({ text: 'fills', properties: { disk: '4MB' } })
  expect([response.message, result.exitCode]).toEqual([
    expect.stringMatching(/wrote more than its limit of 3.8 MiB/),
    137,
  ])
  expect(context.persistentTools?.size).toBe(0)
})

test.runIf(onLinux).each([{}, multiplex])(
  'that puts a symlink in place of a folder leads the worker nowhere (%j)',
  async (properties) => {
    const { compile, context } = await openToolContext({ ways: ['sandbox'] })
    const secrets = await testFolder()
    mkdirSync(join(secrets, 'bin'))
    for (const name of ['out.txt', 'bin/out.txt']) writeFileSync(join(secrets, name), 'secret')
    const { response, file } = await compile({ text: `leads away ${secrets}`, properties })
    expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
    expect(await file('bin/out.txt')).toBe('')
    expect(readdirSync(secrets).toSorted()).toEqual(['bin', 'out.txt'])
    expect(context.persistentTools?.size).toBe(0)
  },
)

test.runIf(onLinux).each([{}, multiplex])(
  'that puts a symlink in place of its own folder leads the worker nowhere (%j)',
  async (properties) => {
    const { compile, context } = await openToolContext({ ways: ['sandbox'] })
    const secrets = await testFolder()
    mkdirSync(join(secrets, 'bin'))
    for (const name of ['out.txt', 'bin/out.txt']) writeFileSync(join(secrets, name), 'secret')
    const { response, file } = await compile({ text: `replaces root ${secrets}`, properties })
    expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
    expect(await file('bin/out.txt')).toBe('')
    expect([readdirSync(secrets).toSorted(), readdirSync(join(secrets, 'bin'))]).toEqual([
      ['bin', 'out.txt'],
      ['out.txt'],
    ])
    expect(context.persistentTools?.size).toBe(0)
    expect((await compile({ text: 'two', properties })).request).toBe(1)
  },
)

test('an action is cancelled: a tool that can give up stays, another is ended', async () => {
  // By group, so that the tool can write where this test sees that it is at work.
  const { compile, context } = await openToolContext({ ways: ['group'] })
  const folder = await testFolder()
  const cancel = async (properties: Record<string, string>, marker: string) => {
    const controller = new AbortController()
    const { signal } = controller
    const compiled = compile({ text: 'hangs', flags: [`--leave=${marker}`], properties, signal })
    await eventually(async () => existsSync(marker), Boolean)
    controller.abort(new ActionCancelled('not wanted'))
    return (await compiled).response.status?.code
  }
  const staysAlone = () =>
    eventually(
      async () => context.persistentTools?.size,
      (size) => size === 1,
    )
  const properties = { 'supports-worker-cancellation': '1' }
  expect(await cancel(properties, join(folder, 'first'))).toBe(Code.CANCELLED)
  await staysAlone()
  expect((await compile({ text: 'two', properties })).request).toBe(2)
  expect(await cancel({}, join(folder, 'second'))).toBe(Code.CANCELLED)
  await staysAlone()
})

test('without marked tool inputs, without flag files and for a program that is absent, the command runs by itself', async () => {
  const { compile, perform, context, cas } = await openToolContext()
  const properties = [{ name: 'persistentWorkerKey', value: 'key' }]
  const plain = await perform({ command: { arguments: ['/bin/echo', 'plain'] }, properties })
  expect(plain.stdout).toBe('plain\n')
  const unmarked = await compile({ text: 'one', marked: false })
  expect([unmarked.result.exitCode, unmarked.stdout]).toEqual([0, 'compiled source.txt\n'])
  const folder = await testFolder()
  writeFileSync(join(folder, 'flags'), '')
  const root = await uploadFolder(cas, folder)
  const missing = await perform({ command: { arguments: ['/usr/bin/no-such-tool', '@flags'] }, properties, root })
  expect([missing.result.exitCode, missing.response.status?.code ?? 0]).toEqual([127, 0])
  expect(missing.stderr).toContain('cannot run "/usr/bin/no-such-tool"')
  expect(context.persistentTools?.size).toBe(0)
})

test('an argument like a flag file that names no input is for the command by itself to read', async () => {
  const { perform, cas } = await openToolContext()
  const folder = await testFolder()
  writeFileSync(join(folder, 'flags'), '@/etc/hosts\n')
  const mark = { properties: [{ name: 'bazel_tool_input', value: '' }] }
  const tree = await buildMerkleTree(folder, { fn: 'sha256', properties: () => mark })
  await cas.upload(treeSources(tree))
  const properties = [{ name: 'persistentWorkerKey', value: 'key' }]
  for (const arg of ['@nobody', '@flags', '@/etc/hosts', '@.']) {
    const command = { arguments: ['/bin/echo', 'plain', arg] }
    const { stdout, response } = await perform({ command, properties, root: tree.root.digest })
    expect([stdout, response.status?.code ?? 0]).toEqual([`plain ${arg}\n`, 0])
  }
})

describe('idle tools', () => {
  test('no more stay than may', async () => {
    const { compile, context } = await openToolContext({
      persistent: { idleMs: 60_000, idleMax: 1, idleMemoryBytes: 1e9 },
    })
    const first = await compile({ text: 'one' })
    await compile({ text: 'two', startup: ['--other'] })
    expect(context.persistentTools?.size).toBe(1)
    expect((await compile({ text: 'one' })).tool).not.toBe(first.tool)
  })

  test('nor with more memory', async () => {
    const { compile, context } = await openToolContext({
      persistent: { idleMs: 60_000, idleMax: 9, idleMemoryBytes: 1000 },
    })
    await compile({ text: 'one' })
    expect(context.persistentTools?.size).toBe(0)
  })

  test('nor for longer', async () => {
    const { compile, context } = await openToolContext({ persistent: { idleMs: 20, idleMax: 9, idleMemoryBytes: 1e9 } })
    await compile({ text: 'one' })
    await eventually(
      async () => context.persistentTools?.size,
      (size) => size === 0,
    )
  })
})

describe.each(ways.filter((way) => way === 'sandbox' || way === 'group'))('several at once, by %s', (way) => {
  test('are done by one process, each in a folder of its own', async () => {
    const { compile, context } = await openToolContext({ ways: [way] })
    const texts = Array.from({ length: 8 }, (_, number) => `text ${number}`)
    const all = await Promise.all(
      texts.map((text) => compile({ text, properties: multiplex, flags: ['--list'], files: { [text]: '' } })),
    )
    expect(all.map(({ out }) => out.split('#')[0]?.split('\n').slice(0, 1))).toHaveLength(8)
    for (const [at, { out, result }] of all.entries()) {
      expect([result.exitCode, out.startsWith(`TEXT ${at}`)]).toEqual([0, true])
      expect(out.match(/text \d/g)).toEqual([`text ${at}`])
    }
    expect(new Set(all.map(({ tool }) => tool)).size).toBe(1)
    expect(context.persistentTools?.size).toBe(1)
  })

  test('those that were lost with another are done again', async () => {
    const { compile } = await openToolContext({ ways: [way] })
    const texts = ['one', 'dies', 'two', 'three']
    const all = await Promise.all(texts.map((text) => compile({ text, properties: multiplex })))
    expect(all.map(({ result }) => result.exitCode)).toEqual([0, 7, 0, 0])
  })
})
