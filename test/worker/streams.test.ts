import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { openSlots } from './slots.ts'
import { openContext, shell } from './worker-context.ts'

const onLinux = process.platform === 'linux'
const byProc: [string, string, string] = [
  'echo one >&2; echo two > /proc/self/fd/2; echo three >&2',
  '',
  'one\ntwo\nthree\n',
]

vi.setConfig({ testTimeout: 30_000 })

describe('output is never lost', () => {
  test.each([
    ['echo one >&2; echo two > /dev/stderr; echo three >&2', '', 'one\ntwo\nthree\n'],
    ['echo one >&2; echo two >> /dev/stderr; echo three >&2', '', 'one\ntwo\nthree\n'],
    ['echo aaaa; echo b > /dev/stdout; echo c', 'aaaa\nb\nc\n', ''],
    ['echo start >&2; echo data | tee /dev/stderr; echo end >&2', 'data\n', 'start\ndata\nend\n'],
    ...(onLinux ? [byProc] : []),
    ['for i in 1 2 3; do echo $i > /dev/stdout; echo $i; done', '1\n1\n2\n2\n3\n3\n', ''],
  ])('D2: %s', async (script, stdout, stderr) => {
    const { perform } = await openContext()
    expect(await perform({ command: shell(script) })).toMatchObject({ stdout, stderr })
  })

  test('every byte of two writers is there', async () => {
    const { perform } = await openContext()
    const writer = (word: string) => `i=0; while [ $i -lt 2000 ]; do echo ${word} > /dev/stdout; i=$((i+1)); done`
    const { stdout } = await perform({ command: shell(`(${writer('a')}) & (${writer('b')}); wait`) })
    expect(stdout.length).toBe(8000)
    expect(stdout.replaceAll('a\n', '')).toBe('b\n'.repeat(2000))
  })

  test('much output, and what is written last, come whole, and leave no file', async () => {
    const { perform, directory } = await openContext()
    const script = 'seq 1 300000; seq 1 300000 >&2; exec printf end'
    const numbers = Array.from({ length: 300_000 }, (_, at) => `${at + 1}\n`).join('')
    const { stdout, stderr } = await perform({ command: shell(script) })
    expect(stdout === `${numbers}end`).toBe(true)
    expect(stderr === numbers).toBe(true)
    expect(readdirSync(join(directory, 'work'))).toEqual([])
  })

  test('what a process wrote right before it was killed comes, too', async () => {
    const { sh } = await openSlots()
    expect(await sh('seq 1 5000; kill -9 $$')).toMatchObject({
      code: 137,
      stdout: expect.stringMatching(/^1\n2\n[\d\n]*\n5000\n$/),
    })
  })
})

test('W4: files of its own next to its folder do nothing to the output of an action', async () => {
  const { perform } = await openContext()
  const script = 'p=$(pwd); rm -f $p.out $p.err; mkfifo $p.out $p.err; echo said; echo trouble >&2; rm $p.out $p.err'
  expect(await perform({ command: shell(script) })).toMatchObject({ stdout: 'said\n', stderr: 'trouble\n' })
  expect(await perform({ command: shell('echo next') })).toMatchObject({ stdout: 'next\n' })
})

test.runIf(onLinux).each(['namespace', 'marks'] as const)(
  'an action that makes its streams non-blocking does not do so to the next one (%s)',
  async (way) => {
    const { sh } = await openSlots({ ways: [way] })
    const flags = 'grep flags /proc/self/fdinfo/1 /proc/self/fdinfo/2'
    const before = (await sh(flags)).stdout
    expect(await sh('echo x | dd oflag=nonblock status=none; grep flags /proc/self/fdinfo/1')).toMatchObject({
      stdout: expect.stringMatching(/^x\nflags:\s+0\d*4\d{3}\n$/),
    })
    expect((await sh(flags)).stdout).toBe(before)
  },
)

describe('a program that env could not find', () => {
  test('is told as what the action said, where the action itself called env', async () => {
    const { sh } = await openSlots()
    for (const env of [{ PATH: '/usr/bin:/bin' }, {}])
      expect(await sh('exec env no-such-program', { env })).toMatchObject({
        code: 127,
        refusal: undefined,
        stderr: expect.stringContaining('no-such-program'),
      })
  })

  test('is a refusal, where the slot did', async () => {
    const { start } = await openSlots()
    for (const env of [{ PATH: '/usr/bin:/bin' }, {}, { 'a.b': '' }]) {
      const { outcome } = await start({ args: ['./no-such'], file: '/no-such', env })
      expect(await outcome).toMatchObject({ code: 127, refusal: expect.stringContaining('no-such') })
    }
  })
})

test('a program in a folder with an equals sign starts under any environment', async () => {
  const { folder, start } = await openSlots()
  mkdirSync(join(folder, 'x=y'))
  symlinkSync('/bin/sh', join(folder, 'x=y/tool'))
  const args = ['x=y/tool', '-c', 'echo "$0"', 'started']
  for (const env of [{ PATH: '/bin' }, {}, { 'a.b': '1' }]) {
    const { outcome } = await start({ args, file: join(folder, 'x=y/tool'), env })
    expect(await outcome).toMatchObject({ code: 0, stdout: 'started\n' })
  }
})
