import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { Code } from '../../src/wire/rpc.ts'
import { ActionCancelled } from '../../src/worker/action-error.ts'
import { testFolder } from '../fixture/folder.ts'
import { isRunning } from '../fixture/process.ts'
import { openShop, shell, timeoutClock, uploadFolder } from './shop.ts'

vi.setConfig({ testTimeout: 30_000 })

describe('the environment', () => {
  test("rule 38: it is exactly the Command's, and standard input is empty", async () => {
    const { perform } = await openShop()
    const environmentVariables = [
      { name: 'PATH', value: '/usr/bin:/bin' },
      { name: 'EMPTY', value: '' },
    ]
    const { stdout } = await perform({ command: { arguments: ['env'], environmentVariables } })
    expect(stdout).toBe('PATH=/usr/bin:/bin\nEMPTY=\n')
    expect((await perform({ command: shell('cat; echo end') })).stdout).toBe('end\n')
  })

  test('rule 38: arguments reach the program as they are; no shell is in between', async () => {
    const { perform } = await openShop()
    const args = ['$HOME', '`id`', 'a b', '*', '', 'é']
    const { stdout } = await perform({ command: { arguments: ['/usr/bin/printf', '[%s]', ...args] } })
    expect(stdout).toBe(args.map((each) => `[${each}]`).join(''))
  })

  test('rule 38: without a PATH of the Command, none is looked in', async () => {
    const { perform } = await openShop()
    const { result, stderr, response } = await perform({ command: { arguments: ['true'] } })
    expect(response.status?.code ?? 0).toBe(Code.OK)
    expect(result.exitCode).toBe(127)
    expect(stderr).toContain('"true"')
    expect(stderr).toContain('sets no PATH')
  })

  test('rule 38: a program with a slash is relative to the working directory, and argv[0] is what was given', async () => {
    const { perform, cas } = await openShop()
    const folder = await testFolder()
    mkdirSync(join(folder, 'w/bin'), { recursive: true })
    writeFileSync(join(folder, 'w/bin/tool'), '#!/bin/sh\necho "$0"\n')
    chmodSync(join(folder, 'w/bin/tool'), 0o755)
    writeFileSync(join(folder, 'w/bin/plain'), 'x')
    const root = await uploadFolder(cas, folder)
    const run = (name: string) =>
      perform({ root, command: { arguments: [name], workingDirectory: 'w', environmentVariables: [path] } })
    const path = { name: 'PATH', value: 'bin' }
    expect((await run('bin/tool')).result.exitCode).toBe(0)
    expect((await run('tool')).result.exitCode).toBe(0)
    expect((await run('./bin/absent')).result.exitCode).toBe(127)
    expect((await run('./bin/plain')).result.exitCode).toBe(126)
    expect((await run('plain')).stderr).toContain('not an executable file')
  })

  test('rule 37: the working directory is where the action runs, and has to be in the input tree', async () => {
    const { perform, cas } = await openShop()
    const folder = await testFolder()
    mkdirSync(join(folder, 'a/b'), { recursive: true })
    const root = await uploadFolder(cas, folder)
    const inside = await perform({ root, command: shell('basename "$(pwd)"', { workingDirectory: 'a/b' }) })
    expect(inside.stdout).toBe('b\n')
    const outside = await perform({ root, command: shell('true', { workingDirectory: 'a/c' }) })
    expect(outside.response.status?.code).toBe(Code.INVALID_ARGUMENT)
    const up = await perform({ root, command: shell('true', { workingDirectory: 'a/..' }) })
    expect(up.response.status?.code).toBe(Code.INVALID_ARGUMENT)
  })

  test('a Command that no process can be given is refused', async () => {
    const { perform } = await openShop()
    const codes = []
    for (const command of [
      {},
      { arguments: [''] },
      { arguments: ['/bin/echo', 'nul\0'] },
      { arguments: ['/bin/true'], environmentVariables: [{ name: 'A=B', value: '' }] },
    ])
      codes.push((await perform({ command })).response.status?.code)
    expect(codes).toEqual([3, 3, 3, 3])
  })
})

describe('the end', () => {
  test('rule 24: a non-zero exit code is an OK answer; one that a signal ended has its number', async () => {
    const { perform } = await openShop()
    const failed = await perform({ command: shell('echo out; echo err >&2; exit 7') })
    expect(failed.response.status?.code ?? 0).toBe(Code.OK)
    expect(failed).toMatchObject({ stdout: 'out\n', stderr: 'err\n', result: { exitCode: 7 } })
    expect((await perform({ command: shell('kill -9 $$') })).result.exitCode).toBe(137)
  })

  test('rule 31: a time-out is DEADLINE_EXCEEDED with what was written until then', async () => {
    const clock = timeoutClock()
    const { perform } = await openShop({ clock })
    const action = { command: shell('echo so far; sleep 300'), onOutput: () => clock.passTimeout() }
    const { response, stdout } = await perform(action)
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(stdout).toBe('so far\n')
  })

  test('rule 31: a time-out ends the whole tree, also what left the group or lost its parent', async () => {
    const clock = timeoutClock()
    const { perform } = await openShop({ clock })
    const script = `
      sleep 300 & echo $!
      setsid sleep 300 & echo $!
      setsid sh -c 'sleep 300 & echo $!'
      wait`
    let seen = ''
    const onOutput = (_stream: string, data: Uint8Array) => {
      seen += Buffer.from(data).toString()
      if (seen.split('\n').length > 3) clock.passTimeout()
    }
    const { stdout, response } = await perform({ command: shell(script), onOutput })
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    const pids = stdout.trim().split('\n').map(Number)
    expect(pids).toHaveLength(3)
    await expect.poll(() => pids.filter(isRunning), { timeout: 5000 }).toEqual([])
  })

  test('what an action leaves in the background does not outlive it', async () => {
    const { perform } = await openShop()
    const { stdout } = await perform({ command: shell('sleep 300 >/dev/null 2>&1 & echo $!') })
    await expect.poll(() => isRunning(Number(stdout)), { timeout: 5000 }).toBe(false)
  })

  test('a cancelled action is killed and says why', async () => {
    const { perform, directory } = await openShop()
    const controller = new AbortController()
    const { response } = await perform({
      command: shell('sleep 300'),
      signal: controller.signal,
      onStarted: () => controller.abort(new ActionCancelled('nobody wants it any more')),
    })
    expect(response.status).toMatchObject({ code: Code.CANCELLED, message: 'nobody wants it any more' })
    expect(readdirSync(join(directory, 'work'))).toEqual([])
  })

  test('what it writes is told while it runs', async () => {
    const { perform } = await openShop()
    const controller = new AbortController()
    const pieces: string[] = []
    await perform({
      command: shell('echo hello; sleep 300'),
      signal: controller.signal,
      onOutput: (stream, data) => {
        pieces.push(`${stream}: ${Buffer.from(data)}`)
        controller.abort(new ActionCancelled('seen'))
      },
    })
    expect(pieces[0]).toBe('stdout: hello\n')
  })

  test('nothing is left in the work folder, whatever the action did to it', async () => {
    const { perform, directory } = await openShop()
    const script = 'mkdir -p a/b && echo x > a/b/f && ln -s / a/root && chmod 0 a/b a && echo done'
    expect((await perform({ command: shell(script) })).stdout).toBe('done\n')
    expect(readdirSync(join(directory, 'work'))).toEqual([])
  })

  test('rule 42: all times are there, in order, on success and on failure', async () => {
    const { perform, remote } = await openShop()
    const good = await perform({ command: shell('true') })
    const absent = { fn: 'sha256', hash: 'a'.repeat(64), size: 9 } as const
    const bad = await perform({ command: shell('true'), root: absent })
    expect(bad.response.status?.code).toBe(Code.FAILED_PRECONDITION)
    expect(remote.calls.get('Write')).toBeUndefined()
    for (const { result } of [good, bad]) {
      const metadata = result.executionMetadata ?? {}
      const times = [
        metadata.queuedTimestamp,
        metadata.workerStartTimestamp,
        metadata.inputFetchStartTimestamp,
        metadata.inputFetchCompletedTimestamp,
        metadata.executionStartTimestamp,
        metadata.executionCompletedTimestamp,
        metadata.outputUploadStartTimestamp,
        metadata.outputUploadCompletedTimestamp,
        metadata.workerCompletedTimestamp,
      ].map((time) => (time?.seconds ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6)
      expect(metadata.worker).toBe('test-worker')
      expect(Math.min(...times)).toBeGreaterThan(1.7e12)
      expect(times.toSorted((a, b) => a - b)).toEqual(times)
    }
  })
})
