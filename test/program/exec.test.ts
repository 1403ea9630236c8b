import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'

let native: Native
const exec = (...args: string[]) => native.run('exec', ...args)

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--slots', '2')
  await mkdir(join(native.home, 'in/sub'), { recursive: true })
  await writeFile(join(native.home, 'in/words'), 'one two three\n')
  await writeFile(join(native.home, 'in/sub/tool'), '#!/bin/sh\necho made by a tool of ours\n')
  await chmod(join(native.home, 'in/sub/tool'), 0o755)
})
afterAll(() => native.dispose())

describe('native exec', () => {
  test('passes both streams on, apart, and says the rest on standard error', async () => {
    const { exitCode, stdout, stderr } = await exec('--', '/bin/sh', '-c', 'echo to out; echo to err >&2')
    expect(stdout).toBe('to out')
    expect(stderr).toMatch(
      /^to err\nnative: executed on worker-1 in \d+ ms; uploaded \d+ of \d+ blobs, .*; exit code 0$/,
    )
    expect(exitCode).toBe(0)
  })

  test('passes bytes on as they are, many of them', async () => {
    const { stdout } = await exec(
      '--',
      '/bin/sh',
      '-c',
      'head -c 3000000 /dev/zero | tr "\\000" "\\377" | cksum; printf "a\\001b"',
    )
    expect(stdout.slice(-12)).toBe(' 3000000\na\u0001b')
  })

  test.each([1, 42, 255])('ends with the exit code of the command: %i', async (code) => {
    expect((await exec('--', '/bin/sh', '-c', `exit ${code}`)).exitCode).toBe(code)
  })

  test('a program that is not there is what a shell makes of it', async () => {
    const { exitCode, stderr } = await exec('--', 'no-such-program')
    expect(exitCode).toBe(127)
    expect(stderr).toContain('no-such-program')
  })

  test('the command sees --input, and what it makes comes back', async () => {
    const ran = await exec(
      ...['--input', 'in', '--output', 'made', '--output', 'count', '--output-to', 'out', '--'],
      ...[
        '/bin/sh',
        '-c',
        'mkdir -p made/deep && sub/tool > made/deep/said && chmod +x made/deep/said && wc -w < words > count',
      ],
    )
    expect(ran.exitCode).toBe(0)
    expect(await readFile(join(native.home, 'out/made/deep/said'), 'utf8')).toBe('made by a tool of ours\n')
    expect((await stat(join(native.home, 'out/made/deep/said'))).mode & 0o100).toBe(0o100)
    expect((await readFile(join(native.home, 'out/count'), 'utf8')).trim()).toBe('3')
  })

  test('the command sees nothing else: an empty folder, and the environment that is given', async () => {
    const { stdout } = await exec(
      '--env',
      'GIVEN=a=b',
      '--',
      '/bin/sh',
      '-c',
      'ls -A; env | sed "/^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=/d" | sort',
    )
    expect(stdout.split('\n')).toEqual(['GIVEN=a=b', 'PATH=/usr/local/bin:/usr/bin:/bin'])
  })

  test('a second time it is cached, with the same streams; --fresh and --no-cache run it', async () => {
    const command = ['--', '/bin/sh', '-c', 'echo once; echo twice >&2']
    expect((await exec(...command)).stderr).toContain('native: executed on')
    const again = await exec(...command)
    expect(again.stdout).toBe('once')
    expect(again.stderr).toMatch(/^twice\nnative: cached \(it once ran on worker-1\); uploaded 0 of /)
    expect((await exec('--fresh', ...command)).stderr).toContain('native: executed on')
    expect((await exec('--no-cache', ...command)).stderr).toContain('native: executed on')
  })

  test('a failure is not cached', async () => {
    const command = ['--', '/bin/sh', '-c', 'echo failing; exit 3']
    await exec(...command)
    expect((await exec(...command)).stderr).toContain('native: executed on')
  })

  test('a command that runs too long ends with 4, and what it said so far is there', async () => {
    const { exitCode, stdout, stderr } = await exec('--timeout', '1s', '--', '/bin/sh', '-c', 'echo begun; sleep 600')
    expect(exitCode).toBe(4)
    expect(stdout).toBe('begun')
    expect(stderr).toMatch(/^error: /m)
  })

  test('a property that no worker offers is refused, with what they offer', async () => {
    const { exitCode, stderr } = await exec('--property', 'OSFamily=plan9', '--', '/bin/true')
    expect(exitCode).toBe(5)
    expect(stderr).toContain('plan9')
    expect(stderr).toContain('OSFamily')
  })

  test.each([
    [[], 'no command to run'],
    [['--'], 'no command to run'],
    [['--env', 'novalue', '--', '/bin/true'], '--env'],
    [['--property', 'novalue', '--', '/bin/true'], '--property'],
    [['--timeout', 'soon', '--', '/bin/true'], '--timeout'],
    [['--input', 'in/words', '--', '/bin/true'], 'is no folder'],
    [['--output', '../up', '--', '/bin/true'], '../up'],
    [['--output', '/abs', '--', '/bin/true'], '/abs'],
    [['--nonsense', '--', '/bin/true'], '--nonsense'],
  ])('%j is a mistake: 2, and it says %j', async (args, text) => {
    const { exitCode, stdout, stderr } = await exec(...args)
    expect(stderr).toContain(text)
    expect(stderr.match(/^error: /gm)).toHaveLength(1)
    expect(stdout).toBe('')
    expect(exitCode).toBe(2)
  })

  test('an input that is not there ends with 3', async () => {
    const { exitCode, stderr } = await exec('--input', 'not-there', '--', '/bin/true')
    expect(stderr).toBe('error: there is no folder "not-there"\n  at --input')
    expect(exitCode).toBe(3)
  })

  test('with --json the streams are in the value, and its exit code is the command’s all the same', async () => {
    const { exitCode, stdout, stderr } = await exec('--json', '--', '/bin/sh', '-c', 'echo out; echo err >&2; exit 7')
    expect(JSON.parse(stdout)).toMatchObject({
      exitCode: 7,
      cached: false,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    expect(stderr).toBe('')
    expect(exitCode).toBe(7)
  })

  test('leaves nothing where it was started', async () => {
    const names = await readdir(native.home)
    // The cache is that of compiled code, in XDG_CACHE_HOME.
    expect(names.filter((name) => name !== 'cache').toSorted()).toEqual(['data', 'in', 'out', 'state'])
  })
})
