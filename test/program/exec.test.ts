import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Config } from '@oclif/core'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { digestOf } from '../../src/core/hash.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { createNative, type Native, root } from '../fixture/program.ts'

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
    expect(stderr).not.toContain('sh -c')
  })

  test('a command line in one word is told that no shell reads it', async () => {
    const { exitCode, stderr } = await exec('--', 'ls -la | head')
    expect(exitCode).toBe(127)
    expect(stderr).toContain("native: no shell is in between: for a command line in one word, write -- sh -c '...'")
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

  describe('outputs', () => {
    const make = (text: string, ...flags: string[]) =>
      exec('--output', 'made', '--output-to', 'kept', ...flags, '--', '/bin/sh', '-c', `echo ${text} > made`)
    const made = () => readFile(join(native.home, 'kept/made'), 'utf8')

    test('replace what exec made before, and nothing else unless --force is given', async () => {
      expect((await make('first')).exitCode).toBe(0)
      expect((await make('second')).exitCode).toBe(0)
      expect(await made()).toBe('second\n')
      await writeFile(join(native.home, 'kept/made'), 'edited by hand\n')
      const refused = await make('third')
      expect(refused.exitCode).toBe(5)
      expect(refused.stderr).toMatch(
        /error: an output would replace something that native did not write\n +at .*kept\/made\n.*--force/,
      )
      expect(await made()).toBe('edited by hand\n')
      expect((await make('third', '--force')).exitCode).toBe(0)
      expect(await made()).toBe('third\n')
      expect((await make('fourth')).exitCode).toBe(0)
    })

    test('of a poisoned result are those that were asked for, and its worker cannot write to the terminal', async () => {
      const command = [
        '--output',
        'count',
        '--output-to',
        'poisoned',
        '--',
        '/bin/sh',
        '-c',
        'wc -w < /dev/null > count',
      ]
      const { action } = JSON.parse((await exec('--json', ...command)).stdout)
      const [hash = '', size = ''] = String(action).split('/')
      const { cache } = JSON.parse((await native.ok('ips', '--json')).stdout)
      const channel = openChannel(cache.url)
      try {
        const bytes = Buffer.from('3\n')
        const digest = digestOf('sha256', bytes)
        await createCasClient(channel).upload([{ digest, content: bytes }])
        await createActionsClient(channel).update(
          { fn: 'sha256', hash, size: Number(size) },
          {
            outputFiles: ['count', '.bashrc', '.ssh/authorized_keys', 'e\u001b[2K'].map((path) => ({
              path,
              digest: wireDigest(digest),
            })),
            executionMetadata: { worker: '\u001b]0;title\u0007\u001b[2Kworker-9\u202e' },
          },
        )
      } finally {
        channel.close()
      }
      const { exitCode, stderr } = await exec('--force', ...command)
      expect(exitCode).toBe(0)
      expect(stderr).toContain('cached (it once ran on ?]0;title??[2Kworker-9?)')
      expect(stderr).toContain(
        'not written, because it was not requested: ".bashrc", ".ssh/authorized_keys", "e\\u001b[2K"',
      )
      expect(stderr).not.toMatch(/(?!\n)\p{C}/u)
      expect(await readdir(join(native.home, 'poisoned'))).toEqual(['count'])
    })

    test('are never written through a symlink', async () => {
      await writeFile(join(native.home, 'in/precious'), 'precious')
      await mkdir(join(native.home, 'links'))
      await symlink(join(native.home, 'in/precious'), join(native.home, 'links/made'))
      const flags = ['--output', 'made', '--output-to', 'links']
      const command = ['--', '/bin/sh', '-c', 'echo evil > made']
      expect((await exec(...flags, ...command)).exitCode).toBe(5)
      expect((await exec(...flags, '--force', ...command)).exitCode).toBe(0)
      expect(await readFile(join(native.home, 'in/precious'), 'utf8')).toBe('precious')
      expect(await readFile(join(native.home, 'links/made'), 'utf8')).toBe('evil\n')
    })

    test('that are missing are an error that says what there was, which comes back', async () => {
      const { exitCode, stderr } = await exec(
        ...['--output', './there/', '--output', 'nothere', '--output-to', 'some', '--'],
        ...['/bin/sh', '-c', 'mkdir there; echo x > there/file'],
      )
      expect(exitCode).toBe(3)
      expect(stderr).toContain('error: the command did not create "nothere"\n  at --output\n  → It created "there".')
      expect(await readFile(join(native.home, 'some/there/file'), 'utf8')).toBe('x\n')
      const none = await exec('--output', 'nothere', '--output-to', 'none', '--', '/bin/true')
      expect(none.exitCode).toBe(3)
      expect(await readdir(native.home)).not.toContain('none')
    })

    test('that a failed command did not make are told, and its exit code stays its own', async () => {
      const { exitCode, stderr } = await exec('--output', 'nothere', '--', '/bin/sh', '-c', 'exit 9')
      expect(exitCode).toBe(9)
      expect(stderr).toMatch(/^native: the command did not create "nothere"$/m)
    })
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

  test.each([
    [['printf', '<%s>', 'a', 'b', 'a', '', 'c']],
    [['printf', '<%s>', '--output', 'made', '-x', '--', '--json', '5s', '-h', '--help']],
    [['printf', '<%s>', 'exec', 'a=b', '-1', ' ', '*', '$HOME', "it's"]],
  ])('runs exactly the words behind --: %j', async (words) => {
    const flags = ['--env', 'a=b', '--timeout', '5s', '--output-to', 'made']
    const { exitCode, stdout } = await exec(...flags, '--', ...words)
    expect(stdout).toBe(
      words
        .slice(2)
        .map((each) => `<${each}>`)
        .join(''),
    )
    expect(exitCode).toBe(0)
  })

  test('the examples of its help work as they stand there', async () => {
    const { commands } = await Config.load({ root })
    const examples = commands.find(({ id }) => id === 'exec')?.examples?.map(String) ?? []
    expect(examples.length).toBeGreaterThan(3)
    const folder = join(native.home, 'examples')
    await mkdir(join(folder, 'src'), { recursive: true })
    await mkdir(join(folder, 'tests'))
    await writeFile(join(folder, 'src/names.txt'), 'two\none\n')
    await writeFile(join(folder, 'tests/slow-test'), '#!/bin/sh\necho passed\n', { mode: 0o755 })
    const program = `native() { "${process.execPath}" "${join(root, 'bin/run.js')}" "$@"; }\n`
    for (const example of examples) {
      const text = program + example.replaceAll('<%= config.bin %>', 'native')
      const { exitCode, all } = await execa('/bin/sh', ['-euc', text], {
        cwd: folder,
        env: native.env,
        extendEnv: false,
        reject: false,
        all: true,
      })
      expect(`${all}${exitCode}`, example).toMatch(/exit code 0\n?0$/)
    }
    expect(await readFile(join(folder, 'sorted.txt'), 'utf8')).toBe('one\ntwo\n')
  })

  describe('standard input', () => {
    const fed = (input: string | Uint8Array, ...args: string[]) =>
      execa(process.execPath, [join(root, 'bin/run.js'), 'exec', ...args], {
        cwd: native.home,
        env: native.env,
        extendEnv: false,
        reject: false,
        input,
        encoding: 'buffer',
      })

    test('is passed on with --stdin, byte for byte, and beside --input', async () => {
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 256))
      const done = await fed(bytes, '-i', '--input', 'in', '--', 'cat', 'words', '-')
      expect(Buffer.from(done.stdout).equals(Buffer.concat([Buffer.from('one two three\n'), bytes]))).toBe(true)
      expect(Buffer.from((await fed('', '--stdin', '--', 'cat')).stdout).toString()).toBe('')
    })

    test('is what a result is cached for', async () => {
      expect(Buffer.from((await fed('first', '--stdin', '--', 'cat')).stdout).toString()).toBe('first')
      expect(Buffer.from((await fed('second', '--stdin', '--', 'cat')).stdout).toString()).toBe('second')
      expect(Buffer.from((await fed('first', '--stdin', '--', 'cat')).stderr).toString()).toContain('native: cached')
    })

    test('is left alone without the flag, and that is said', async () => {
      const done = await fed('data', '--', 'cat')
      expect(Buffer.from(done.stdout).toString()).toBe('')
      expect(Buffer.from(done.stderr).toString()).toMatch(/^native: standard input is not passed on .*--stdin/)
      expect(done.exitCode).toBe(0)
    })

    test('leaves no file behind', async () => {
      const before = (await readdir(tmpdir())).filter((name) => name.startsWith('native-stdin-'))
      await fed('data', '--stdin', '--', 'cat')
      expect((await readdir(tmpdir())).filter((name) => name.startsWith('native-stdin-'))).toEqual(before)
    })
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
    [['--input', 'in/words', '--', '/bin/true'], 'is not a folder'],
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
    expect(names.filter((name) => name !== 'cache').toSorted()).toEqual([
      'data',
      'examples',
      'in',
      'kept',
      'links',
      'out',
      'poisoned',
      'some',
      'state',
    ])
  })
})
