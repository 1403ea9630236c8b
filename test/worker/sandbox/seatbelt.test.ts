import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { xcodeFolders } from '../../../src/worker/sandbox/xcode.ts'
import { waysOf } from '../../../src/worker/spawner.ts'
import { testFolder } from '../../fixture/folder.ts'
import { openRunner } from './runner.ts'

/** A program in place of macOS's, which gets `-f PROFILE PROGRAM ...`; runs it in turn, unless `body` ends before. */
async function standIn(body: (directory: string) => string) {
  const directory = join(await testFolder(), 'worker')
  mkdirSync(directory)
  const sandboxExec = join(directory, 'sandbox-exec')
  writeFileSync(sandboxExec, `#!/bin/sh\n${body(directory)}\nshift 2\nexec "$@"\n`)
  chmodSync(sandboxExec, 0o755)
  const runner = openRunner(directory, { ways: ['seatbelt'] }, [], sandboxExec)
  onTestFinished(() => runner.close())
  return { ...runner, directory }
}

/** What `sandbox-exec` would do for the trial's own files. @param mount how a folder that is not allowed is covered */
const confining = (directory: string, mount = 'ro') => `
[ "$1" = -f ] && grep -q '^(deny default)$' "$2" || { echo "sandbox-exec: no profile" >&2; exit 65; }
cp "$2" '${directory}/last.sb'
outside='${directory}/cells/trial/outside'
if [ -d "$outside" ]; then
  shift 2
  exec unshare --mount ${process.getuid?.() === 0 ? '' : '--user --map-root-user'} \\
    sh -c 'mount -t tmpfs -o ${mount} native "$0" && exec "$@"' "$outside" "$@"
fi`

test('only who insists on a sandbox gets that of macOS', () => {
  expect(waysOf('on', 'darwin')).toEqual(['seatbelt'])
  expect(waysOf('on', 'linux')).toEqual(['sandbox'])
  for (const setting of ['auto', 'off'] as const) expect(waysOf(setting, 'darwin')).not.toContain('seatbelt')
  expect(waysOf('auto', 'darwin').at(-1)).toBe('group')
})

describe('without a sandbox-exec that confines, no process starts', () => {
  test('a machine that has none', async () => {
    const directory = join(await testFolder(), 'worker')
    const runner = openRunner(directory, { ways: ['seatbelt'] }, [], '/no/sandbox-exec')
    onTestFinished(() => runner.close())
    await expect(runner.spawner.way).rejects.toThrow('there is no /no/sandbox-exec on this machine')
  })

  test('one that refuses the profile', async () => {
    const { spawner } = await standIn(() => 'echo "sandbox-exec: unbound variable: allow" >&2; exit 65')
    await expect(spawner.way).rejects.toThrow(/does not confine programs here: sandbox-exec: unbound variable: allow/)
  })

  test.runIf(process.platform === 'linux')('one that lets through nothing', async () => {
    const { spawner } = await standIn(() => 'cd /proc')
    await expect(spawner.way).rejects.toThrow(/cannot write to its own folders/)
  })

  test.runIf(process.platform === 'linux')('one that lets a program write beside its folders', async () => {
    const { spawner } = await standIn((directory) => confining(directory, 'rw'))
    await expect(spawner.way).rejects.toThrow(/can write to a file that its profile does not allow/)
  })

  test('one that lets through everything', async () => {
    const { spawner } = await standIn(() => '')
    await expect(spawner.way).rejects.toThrow(/can read a file that its profile does not allow/)
  })
})

describe.runIf(process.platform === 'linux')('an action', () => {
  test('is started under a profile of its own, in its own folder', async () => {
    const { sh, directory, spawner } = await standIn(confining)
    expect(await spawner.way).toMatchObject({ kind: 'seatbelt' })
    const first = await sh('pwd; echo made > output')
    expect(first).toMatchObject({ code: 0, stdout: `${first.root}\n`, stderr: '' })
    expect(readFileSync(join(first.root, 'output'), 'utf8')).toBe('made\n')
    expect(readFileSync(join(directory, 'last.sb'), 'utf8')).toContain(`(subpath "${first.root}")`)
    const second = await sh('exit 3')
    expect(second).toMatchObject({ code: 3 })
    const profile = readFileSync(join(directory, 'last.sb'), 'utf8')
    expect(profile).toContain(`(subpath "${second.root}")`)
    expect(profile).not.toContain(first.root)
  })

  test('has a folder for temporary files, which goes with it, unless it names one', async () => {
    const { sh, directory } = await standIn(confining)
    const { stdout } = await sh('echo x > "$TMPDIR/file"; echo "$TMPDIR"')
    expect(stdout).toMatch(new RegExp(`^${directory}/cells/[0-9a-f]+/tmp\n$`))
    expect(existsSync(stdout.trim())).toBe(false)
    expect(await sh('echo "$TMPDIR"', { env: { TMPDIR: '/own' } })).toMatchObject({ stdout: '/own\n' })
    expect(readdirSync(join(directory, 'cells'))).toEqual(['seatbelt-passed'])
  })

  test('has its network in the profile', async () => {
    const { sh, directory } = await standIn(confining)
    for (const network of [false, true]) {
      await sh('true', { network })
      expect(readFileSync(join(directory, 'last.sb'), 'utf8').includes('\n(allow network*)\n')).toBe(network)
    }
  })

  test('gets exactly its variables, from the last program before its own', async () => {
    const { sh } = await standIn(confining)
    const env = { TMPDIR: '/own', PATH: '/usr/bin:/bin', DYLD_LIBRARY_PATH: '/lib with space', A: "it's" }
    const { stdout } = await sh('exec env', { env })
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line))
        .sort(),
    ).toEqual(
      Object.entries(env)
        .map((pair) => pair.join('='))
        .sort(),
    )
  })

  test('that cannot be started says why', async () => {
    const { start } = await standIn(confining)
    const { outcome } = await start({ args: ['/no/program'] })
    expect(await outcome).toMatchObject({ code: 127, refusal: expect.stringContaining('/no/program') })
  })
})

test('the Xcode that was chosen is shown as a whole, the command line tools as they are', async () => {
  const place = await testFolder()
  const link = join(place, 'link')
  expect(xcodeFolders(link)).toEqual([])
  const developer = join(place, 'Xcode-beta.app/Contents/Developer')
  mkdirSync(developer, { recursive: true })
  symlinkSync(developer, link)
  expect(xcodeFolders(link)).toEqual([join(place, 'Xcode-beta.app')])
  const tools = join(place, 'CommandLineTools')
  mkdirSync(tools)
  symlinkSync(tools, join(place, 'other'))
  expect(xcodeFolders(join(place, 'other'))).toEqual([tools])
})
