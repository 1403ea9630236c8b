import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createSpawner } from '../../src/worker/spawner.ts'
import { testFolder } from '../fixture/folder.ts'
import { processesUnder } from '../fixture/process.ts'
import { shellOf, shells } from './shells.ts'
import { openSlots as openSlotsOf } from './slots.ts'

vi.setConfig({ testTimeout: 30_000 })

/** Starts something that no session, group or parent ties to the action, and waits until it works in the folder. */
const strayScript = `
  (setsid sh -c 'echo > stray; exec sleep 300' </dev/null >/dev/null 2>&1 &)
  while [ ! -e stray ]; do sleep 0.01; done`

/** What runs under a folder but the slots themselves. */
async function strays(folder: string): Promise<string[]> {
  return (await processesUnder(folder)).filter((line) => !line.includes('/slots/'))
}

const onLinux = process.platform === 'linux'

// Each way to keep processes together, and each kind of shell that may be /bin/sh and is there.
const ways = (['namespace', 'marks'] as const).flatMap((way) => shells.map((shell) => [way, shell] as const))

describe.runIf(onLinux).for(ways)('%s, %s', ([way, shell]) => {
  const openSlots = () => openSlotsOf({ ways: [way], shell: shellOf(shell) })

  describe('nothing of an action outlives it', () => {
    test('D7: not what has a session of its own and no parent', async () => {
      const { folder, sh } = await openSlots()
      expect(await sh(`${strayScript}; echo ok; exit 3`)).toMatchObject({ code: 3, stdout: 'ok\n' })
      expect(await strays(folder)).toEqual([])
    })

    test('nor when the worker was killed with -9', async () => {
      const folder = await testFolder()
      const doomed = spawn(
        process.execPath,
        [join(import.meta.dirname, 'doomed.ts'), folder, `${strayScript}; echo up; exec sleep 300`, way],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      await once(doomed.stdout, 'data')
      expect(await processesUnder(folder)).not.toEqual([])
      doomed.kill('SIGKILL')
      await expect.poll(() => processesUnder(folder)).toEqual([])
    })

    test('nor when the spawner is closed', async () => {
      const { folder, spawner, start } = await openSlots()
      const { outcome } = await start({ args: ['/bin/sh', '-c', `${strayScript}; echo > up; exec sleep 300`] })
      await expect.poll(() => existsSync(join(folder, 'up'))).toBe(true)
      await spawner.close()
      expect(await outcome).toMatchObject({ kind: 'killed' })
      expect(await processesUnder(folder)).toEqual([])
    })
  })

  describe('ending a process', () => {
    test('terminate asks all of it, whatever its session', async () => {
      const { folder, start } = await openSlots()
      const child = `trap 'echo child >> asked; exit' TERM; echo > child; while :; do sleep 0.01; done`
      const script = `trap 'echo parent >> asked; exit 5' TERM
      setsid sh -c "${child}" &
      while [ ! -e child ]; do sleep 0.01; done; echo > up; while :; do sleep 0.01; done`
      const { outcome, terminate } = await start({ args: ['/bin/sh', '-c', script] })
      await expect.poll(() => existsSync(join(folder, 'up'))).toBe(true)
      terminate()
      expect(await outcome).toMatchObject({ kind: 'exited', code: 5 })
      expect(readFileSync(join(folder, 'asked'), 'utf8')).toContain('parent\n')
    })

    test('what is stopped is woken to end', async () => {
      const { folder, start } = await openSlots()
      const { outcome, terminate } = await start({ args: ['/bin/sh', '-c', 'echo > up; kill -STOP $$'] })
      await expect.poll(() => existsSync(join(folder, 'up'))).toBe(true)
      terminate()
      expect(await outcome).toMatchObject({ kind: 'exited', code: 143 })
    })

    test('kill ends what ignores SIGTERM, is stopped, or multiplies', async () => {
      const { folder, start } = await openSlots()
      for (const [at, script] of [
        'trap "" TERM; echo > 0; while :; do sleep 1; done',
        'echo > 1; kill -STOP $$',
        'bomb() { sh -c "while :; do :; done" & sleep 0.02; bomb; }; trap "" TERM; setsid sleep 300 & echo > 2; bomb',
      ].entries()) {
        const { outcome, kill } = await start({ args: ['/bin/sh', '-c', script] })
        await expect.poll(() => existsSync(join(folder, String(at)))).toBe(true)
        kill()
        expect(await outcome).toMatchObject({ kind: 'killed' })
        expect(await processesUnder(folder)).toEqual([])
      }
    })
  })

  describe('what a process sees', () => {
    test('an empty standard input', async () => {
      const { sh } = await openSlots()
      expect(await sh('read x || echo empty')).toMatchObject({ stdout: 'empty\n' })
    })

    test('its three standard streams, not what the worker was started with', async () => {
      const stray = openSync('/dev/null', 'r')
      onTestFinished(() => closeSync(stray))
      const beyond = Array.from({ length: 37 }, () => 'ignore' as const)
      const doomed = join(import.meta.dirname, 'doomed.ts')
      const folder = await testFolder()
      const child = spawn(process.execPath, [doomed, folder, 'exec ls /proc/self/fd > files'], {
        stdio: ['ignore', 'ignore', 'inherit', ...beyond, stray],
      })
      await once(child, 'exit')
      // The fourth is the folder that ls itself looks at.
      expect(readFileSync(join(folder, 'files'), 'utf8')).toBe('0\n1\n2\n3\n')
    })

    test('signals as a terminal would leave them: none is ignored or blocked', async () => {
      const { sh } = await openSlots()
      const { stdout } = await sh('exec grep -E "Sig(Ign|Blk)" /proc/self/status')
      expect(stdout.match(/\S+$/gm)).toEqual(['0000000000000000', '0000000000000000'])
    })

    test('its environment alone, whatever the variables are called', async () => {
      const { start } = await openSlots()
      for (const env of [
        {},
        { A: 'neither a PATH' },
        { A: 'nor anything else of the shell', PATH: '/usr/bin:/bin', SHLVL: '7' },
        { PATH: '' },
        { A: '', B: "it's $HOME `id` \\ \n \u00e9\u0101", PWD: '/x', OLDPWD: 'y', _: 'z', IFS: ' ', PATH: '/a%b:c' },
        { 'a.b': '1', 'BASH_FUNC_f%%': '() { :; }', '-x': '2', OPTIND: 'x', PPID: '1', UID: '0', LC_ALL: 'nowhere' },
      ]) {
        const { outcome } = await start({ args: ['/usr/bin/env', '-0'], env })
        const { stdout, stderr } = await outcome
        const entries = stdout.split('\0').slice(0, -1)
        expect(Object.fromEntries(entries.map((each) => each.split(/=(.*)/s).slice(0, 2)))).toEqual(env)
        expect(stderr).toBe('')
      }
    })
  })
})

test.runIf(onLinux)('an action cannot end its slot, nor what is outside', async () => {
  const { sh } = await openSlotsOf({ ways: ['namespace'] })
  expect(await sh('trap "" TERM; kill -TERM 0; kill -9 1; kill -9 $PPID; echo on')).toMatchObject({
    stdout: 'on\n',
  })
  expect(await sh('kill -9 -1; kill -9 0')).toMatchObject({ code: 137 })
  expect(await sh('echo next')).toMatchObject({ code: 0, stdout: 'next\n' })
})

test.runIf(onLinux)('commands before and after a process run in the mount namespace of a slot', async () => {
  const { folder, sh } = await openSlotsOf()
  mkdirSync(join(folder, 'at'))
  const before = [['mount', '-t', 'tmpfs', 'native', join(folder, 'at')]]
  const after = [['umount', join(folder, 'at')]]
  expect(await sh('echo x > at/file; ls at', { before, after })).toMatchObject({ stdout: 'file\n' })
  expect(await sh('ls at')).toMatchObject({ stdout: '' })
  expect(existsSync(join(folder, 'at/file'))).toBe(false)
  await expect(sh('echo ran > ran', { before: [['false']] })).rejects.toMatchObject({ kind: 'unavailable' })
  expect(existsSync(join(folder, 'ran'))).toBe(false)
})

test('when the shell of a slot is killed, its action fails and the next one works', async () => {
  const { folder, start, sh } = await openSlotsOf()
  const { outcome } = await start({ args: ['/bin/sh', '-c', 'echo > up; exec sleep 300'] })
  await expect.poll(() => existsSync(join(folder, 'up'))).toBe(true)
  for (const line of await processesUnder(join(folder, 'slots'))) process.kill(Number.parseInt(line, 10), 'SIGKILL')
  await expect(outcome).rejects.toMatchObject({ kind: 'unavailable' })
  expect(await processesUnder(folder)).toEqual([])
  expect(await sh('exit 3')).toMatchObject({ code: 3 })
})

test('a machine without a shell is told with what each way answered', async () => {
  const spawner = createSpawner({ directory: join(await testFolder(), 'slots'), shell: ['/no/shell'] })
  onTestFinished(() => spawner.close())
  await expect(spawner.way).rejects.toThrow(/no process can be started.*namespace: .*marks: .*group: .*\/no\/shell/s)
})
