import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createSpawner } from '../../../src/worker/spawner.ts'
import { testFolder } from '../../fixture/folder.ts'
import { processesNaming } from '../../fixture/process.ts'
import { shellOf, shells } from '../shells.ts'
import { openRunner as openRunnerIn } from './runner.ts'

vi.setConfig({ testTimeout: 30_000 })

async function openRunner(paths: string[] = [], shell: readonly string[] = ['/bin/sh']) {
  const directory = join(await testFolder(), 'worker')
  const runner = openRunnerIn(directory, { ways: ['sandbox'], shell }, paths)
  onTestFinished(() => runner.close())
  return { ...runner, directory }
}

/** A catalogue of messages in the binary form of GNU gettext, with one translation (its manual, "The Format of GNU MO Files"). */
function catalogue(message: string, translation: string): Buffer {
  const texts = ['', message, 'Content-Type: text/plain; charset=UTF-8\n', translation].map((each) =>
    Buffer.from(`${each}\0`),
  )
  const [tables, entryBytes] = [28, 8]
  const begin = tables + texts.length * entryBytes
  const header = [0x950412de, 0, texts.length / 2, tables, tables + (texts.length / 2) * entryBytes, 0, begin]
  const places = texts.flatMap((each, at) => [
    each.length - 1,
    begin + texts.slice(0, at).reduce((sum, { length }) => sum + length, 0),
  ])
  return Buffer.concat([new Uint8Array(Uint32Array.from([...header, ...places]).buffer), ...texts])
}

describe.runIf(process.platform === 'linux')('a sandbox', () => {
  test('shows an action its own folder, and the machine’s programs', async () => {
    const { sh } = await openRunner()
    const { stdout, root } = await sh('pwd; echo made > output; ls /; cc --version >/dev/null && echo compiles')
    expect(stdout).toMatch(/^\/build\/root\n/)
    expect(stdout).toContain('compiles\n')
    expect(stdout.match(/^\w+$/gm)).not.toContain('work')
    expect(readFileSync(join(root, 'output'), 'utf8')).toBe('made\n')
  })

  test('works in the folder that the Command names', async () => {
    const runner = await openRunner()
    const root = await testFolder()
    mkdirSync(join(root, 'a/b'), { recursive: true })
    expect(await runner.sh('pwd', { root, cwd: join(root, 'a/b') })).toMatchObject({ stdout: '/build/root/a/b\n' })
  })

  test('gives back a folder that its owner may not write to', async () => {
    const { sh } = await openRunner()
    const { code, root } = { code: 0, ...(await sh('echo x > file; chmod 555 .')) }
    expect(code).toBe(0)
    expect(statSync(root).mode & 0o777).toBe(0o555)
    expect(existsSync(join(root, 'file'))).toBe(true)
  })

  test('follows nothing that was put in place of the folder', async () => {
    const { sh } = await openRunner()
    for (const script of [
      'cd ..; mv root away; ln -s /etc root',
      'cd ..; mv root away',
      'cd ..; rm -rf root; echo > root',
    ]) {
      const { root } = await sh(script)
      expect(statSync(root).isDirectory()).toBe(true)
      expect(existsSync(join(root, 'passwd'))).toBe(false)
    }
    expect(await sh('ls ..; ls')).toMatchObject({ stdout: 'root\n' })
  })

  test('has no capabilities, and none to be had', async () => {
    const { sh } = await openRunner()
    const { stdout } = await sh('grep -E "Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs" /proc/self/status')
    expect(stdout.match(/\S+$/gm)).toEqual([...Array(4).fill('0000000000000000'), '1'])
  })

  test('what an action says to loaders of programs is heard by its own program alone', async () => {
    const { start } = await openRunner()
    // Each program that is told so writes what it loads, and what it is.
    const env = { PATH: '/usr/bin:/bin', LD_DEBUG: 'files', LD_DEBUG_OUTPUT: '/tmp/loads' }
    const script =
      'for at in /tmp/loads.*; do read -r _; while read -r line; do echo "$line"; done <$at; done </dev/null'
    const { outcome } = await start({ args: ['/bin/sh', '-c', script], env })
    const { stdout } = await outcome
    expect(stdout).toContain('/bin/sh')
    expect(stdout).not.toContain('setpriv')
  })

  test('the language of an action is spoken by its own program alone', async () => {
    const { start } = await openRunner()
    const root = await testFolder()
    mkdirSync(join(root, 'm/LC_MESSAGES'), { recursive: true })
    writeFileSync(join(root, 'm/LC_MESSAGES/util-linux.mo'), catalogue('failed to execute %s', 'spoken by the action'))
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', LANGUAGE: '../../../build/root/m' }
    const { outcome } = await start({ args: ['./nosuch'], file: './nosuch', env, root, cwd: root })
    const ended = await outcome
    expect(ended).toMatchObject({ kind: 'exited', code: 127, refusal: expect.stringContaining('./nosuch') })
    expect(JSON.stringify(ended)).not.toContain('spoken by the action')
  })

  test('has a network of its own: it finds itself and nobody else', async () => {
    const { sh } = await openRunner()
    const script = `perl -MIO::Socket::INET -e '
      my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
      IO::Socket::INET->new(PeerAddr => "localhost", PeerPort => $server->sockport) or die; print "answers\\n"'
      grep -c : /proc/net/dev`
    expect(await sh(script)).toMatchObject({ stdout: 'answers\n1\n' })
  })

  test('shows the network where an action may have it, and no slot of that to others', async () => {
    const { sh } = await openRunner()
    const names = async (network: boolean) => (await sh('readlink /proc/self/ns/net', { network })).stdout
    const own = readFileSync('/proc/self/net/dev', 'utf8')
    expect((await sh('cat /proc/net/dev', { network: true })).stdout.split('\n').length).toBe(own.split('\n').length)
    expect(await names(true)).not.toBe(await names(false))
  })

  test('shows further paths read-only', async () => {
    // Not below /tmp, where a checkout may be: an action has a /tmp of its own.
    const tools = mkdtempSync(join(homedir(), '.native-tools-'))
    try {
      writeFileSync(join(tools, 'two'), '#!/bin/sh\necho 2\n', { mode: 0o755 })
      const { sh } = await openRunner([tools])
      expect(await sh(`${tools}/two; echo > ${tools}/new`)).toMatchObject({
        stdout: '2\n',
        stderr: expect.stringContaining('Read-only file system'),
      })
      expect(await (await openRunner()).sh(`${tools}/two`)).toMatchObject({ code: 127 })
    } finally {
      rmSync(tools, { recursive: true })
    }
  })

  test('writes are for its folder, /tmp and /dev/shm', async () => {
    const { sh } = await openRunner()
    const places = '/ /usr /etc /home /dev /var /build /tmp /dev/shm .'
    const { stdout } = await sh(`for at in ${places}; do (: >$at/probe) 2>/dev/null && echo $at; done`)
    expect(stdout.trim().split('\n')).toEqual(['/build', '/tmp', '/dev/shm', '.'])
  })

  test('has terminals of its own', async () => {
    const { sh } = await openRunner()
    expect(await sh('script -qc "tty" /dev/null; : >/dev/tty')).toMatchObject({
      stdout: expect.stringContaining('/dev/pts/0'),
      stderr: expect.stringContaining('/dev/tty'),
    })
  })

  test.for([
    ['files in /tmp', 'echo > /tmp/left', 'ls /tmp'],
    ['the mode of /tmp', 'chmod 700 /tmp', 'find /tmp ! -perm 1777'],
    ['shared memory', 'echo > /dev/shm/left', 'ls /dev/shm'],
    ['message queues of POSIX', 'echo > /dev/mqueue/left', 'ls /dev/mqueue'],
    ['what lies beside its folder', 'echo > ../left', 'ls .. | grep -v root'],
    [
      'processes',
      '(setsid sleep 300 &) ; (setsid sh -c "trap \\"\\" TERM; sleep 300" &)',
      'ps -A -o args= | grep "[s]leep"',
    ],
  ])('an action leaves the next one nothing: %s', async ([, leaves, looks]) => {
    const { sh } = await openRunner()
    // The slot has looked before, and found nothing.
    for (const before of ['true', 'exit 3']) await sh(before)
    expect(await sh(`${leaves}; ${looks}`)).not.toMatchObject({ stdout: '' })
    expect(await sh(looks ?? '')).toMatchObject({ stdout: '' })
    expect(await sh(looks ?? '')).toMatchObject({ stdout: '' })
  })

  // The slot's shell looks for them itself, and shells read in ways of their own.
  const systemV = [
    ['shared memory', 'ipcmk -M 4096', 'ipcs -m | grep ^0x'],
    ['semaphores', 'ipcmk -S 1', 'ipcs -s | grep ^0x'],
    ['message queues', 'ipcmk -Q', 'ipcs -q | grep ^0x'],
  ] as const
  test.for(shells.flatMap((shell) => systemV.map((each) => [shell, ...each] as const)))(
    '%s leaves the next action nothing of System V: %s',
    async ([shell, , makes, looks]) => {
      const { sh } = await openRunner([], shellOf(shell))
      for (const before of ['true', 'exit 3']) await sh(before)
      expect(await sh(`${makes}; ${looks}`)).not.toMatchObject({ stdout: '' })
      expect(await sh(looks)).toMatchObject({ stdout: '' })
    },
  )

  test('kill ends all of it, and the folder comes back', async () => {
    const { start, sh } = await openRunner()
    const mark = `${process.pid}.4242`
    const { outcome, kill } = await start({
      args: ['/bin/sh', '-c', `echo > up; setsid sleep ${mark} & sleep ${mark}`],
    })
    await expect.poll(() => processesNaming(`sleep ${mark}`).then((all) => all.length)).toBeGreaterThan(1)
    kill()
    const { kind, root } = await outcome
    expect(kind).toBe('killed')
    expect(existsSync(join(root, 'up'))).toBe(true)
    expect(await processesNaming(`sleep ${mark}`)).toEqual([])
    expect(await sh('echo next')).toMatchObject({ stdout: 'next\n' })
  })

  test('a sandbox that has lost its folders is told as the machine’s trouble, and the next action gets another', async () => {
    const { directory, sh } = await openRunner()
    expect(await sh('echo first')).toMatchObject({ stdout: 'first\n' })
    rmSync(join(directory, 'cells'), { recursive: true })
    await expect(sh('echo ran')).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await sh('echo next')).toMatchObject({ stdout: 'next\n' })
  })

  test('terminate asks all of it', async () => {
    const { start } = await openRunner()
    const script = `trap 'echo asked; exit 5' TERM; echo up > up; kill -STOP $$; while :; do sleep 0.01; done`
    const { outcome, terminate } = await start({ args: ['/bin/sh', '-c', script] })
    await expect.poll(() => processesNaming(script).then((all) => all.length)).toBeGreaterThan(0)
    terminate()
    expect(await outcome).toMatchObject({ kind: 'exited', code: 5, stdout: 'asked\n' })
  })

  test('its environment is exactly what it was given, and its streams are three', async () => {
    const { start } = await openRunner()
    for (const env of [{}, { A: '', PATH: '/usr/bin', PWD: '/x' }, { 'a.b': '1', '-x': '2', PATH: '/a%b' }]) {
      const { outcome } = await start({ args: ['/usr/bin/env', '-0'], env })
      const { stdout, stderr } = await outcome
      const entries = stdout.split('\0').slice(0, -1)
      expect(Object.fromEntries(entries.map((each) => each.split(/=(.*)/s).slice(0, 2)))).toEqual(env)
      expect(stderr).toBe('')
    }
    const { outcome } = await start({ args: ['/bin/ls', '/proc/self/fd'] })
    // 3 is the folder that ls looks at; the slot's shell has 4 to 9, and the test's own shell may have left some beyond.
    expect((await outcome).stdout.match(/^\d$/gm)).toEqual(['0', '1', '2', '3'])
  })

  test('a program with an equals sign in its name is no variable, however it is named and found', async () => {
    const { start } = await openRunner()
    const root = await testFolder()
    writeFileSync(join(root, 'a=b'), '#!/bin/sh\necho "ran with $# $1"\n', { mode: 0o755 })
    for (const name of ['a=b', './a=b']) {
      const env = { PATH: '/build/root:/bin' }
      const args = [name, 'x y']
      const { outcome } = await start({ args, file: join(root, 'a=b'), root, cwd: root, env })
      expect(await outcome).toMatchObject({ code: 0, stdout: 'ran with 1 x y\n' })
    }
  })

  test('a program that cannot be started is told from one that ended so', async () => {
    const { start, sh } = await openRunner()
    const refused = await (await start({ args: ['nosuch'] })).outcome
    expect(refused).toMatchObject({ kind: 'exited', code: 127, refusal: expect.stringContaining('nosuch') })
    expect(await sh('echo setpriv: failed to execute x >&2; exit 127')).toMatchObject({ refusal: undefined })
  })
})

test('a sandbox that cannot be made is told, and what else there is is used', async () => {
  const directory = join(await testFolder(), 'slots')
  const spawner = createSpawner({ directory, ways: ['sandbox', 'group'] })
  onTestFinished(() => spawner.close())
  expect(await spawner.way).toMatchObject({ kind: 'group', refusals: [expect.stringContaining('sandbox: ')] })
})
