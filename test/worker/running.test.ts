import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { ActionCancelled } from '../../src/worker/action-error.ts'
import { testFolder } from '../fixture/folder.ts'
import { processesNaming } from '../fixture/process.ts'
import { openContext, shell, timeoutClock, uploadFolder } from './worker-context.ts'

const onLinux = process.platform === 'linux'

vi.setConfig({ testTimeout: 30_000 })

describe('the environment', () => {
  test("rule 38: it is exactly the Command's, and standard input is empty", async () => {
    const { perform } = await openContext()
    const environmentVariables = [
      { name: 'PATH', value: '/usr/bin:/bin' },
      { name: 'EMPTY', value: '' },
    ]
    const { stdout } = await perform({ command: { arguments: ['env'], environmentVariables } })
    expect(stdout.trim().split('\n').toSorted()).toEqual(['EMPTY=', 'PATH=/usr/bin:/bin'])
    expect((await perform({ command: shell('cat; echo end') })).stdout).toBe('end\n')
  })

  test('rule 38: arguments reach the program as they are; no shell is in between', async () => {
    const { perform } = await openContext()
    const args = ['$HOME', '`id`', 'a b', '*', '', 'é']
    const { stdout } = await perform({ command: { arguments: ['/usr/bin/printf', '[%s]', ...args] } })
    expect(stdout).toBe(args.map((each) => `[${each}]`).join(''))
  })

  test('rule 38: without a PATH of the Command, the usual folders are looked in, and the action does not see which', async () => {
    const { perform } = await openContext()
    const found = await perform({ command: { arguments: ['env'] } })
    expect([found.result.exitCode, found.stdout, found.stderr]).toEqual([0, '', ''])
    const absent = await perform({ command: { arguments: ['no-such-tool'] } })
    expect(absent.response.status?.code ?? 0).toBe(Code.OK)
    expect(absent.result.exitCode).toBe(127)
    expect(absent.stderr).toContain('"no-such-tool"')
    expect(absent.stderr).toContain('sets no PATH (/usr/local/sbin:/usr/local/bin:')
  })

  test('rule 38: a program with a slash is relative to the working directory, and argv[0] is what was given', async () => {
    const { perform, cas } = await openContext()
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

  test('rule 37: the working directory is where the action runs, and is made where the input tree lacks it', async () => {
    const { perform, cas } = await openContext()
    const folder = await testFolder()
    mkdirSync(join(folder, 'a/b'), { recursive: true })
    writeFileSync(join(folder, 'file'), '')
    const root = await uploadFolder(cas, folder)
    const run = (workingDirectory: string) =>
      perform({ root, command: shell('pwd; echo x > out', { workingDirectory, outputPaths: ['out'] }) })
    const spellings = { '': '', '.': '', './': '', 'a/b': '/a/b', './a/b': '/a/b', 'a/b/': '/a/b', 'a//b': '/a/b' }
    for (const [path, folder] of Object.entries({ ...spellings, 'external/lib': '/external/lib', 'a/new': '/a/new' })) {
      const { stdout, file } = await run(path)
      expect(stdout.trim().replace(/^.*\/work\/\d+/, ''), path).toBe(folder)
      expect(await file('out'), path).toBe('x\n')
    }
    for (const path of ['file', 'file/below', 'a/..', '..', '/a', '/'])
      expect((await run(path)).response.status?.code, path).toBe(Code.INVALID_ARGUMENT)
  })

  test('no working directory is made behind a symlink that leads out', async () => {
    const { perform, put } = await openContext()
    const outside = await testFolder()
    const root = await put(re.Directory.encode({ symlinks: [{ name: 'out', target: outside }] }).finish())
    const { response } = await perform({ root, command: shell('true', { workingDirectory: 'out/made' }) })
    expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
    expect(readdirSync(outside)).toEqual([])
  })

  test('a program whose interpreter is absent is a result as of one that is absent', async () => {
    const { perform, cas } = await openContext()
    const folder = await testFolder()
    writeFileSync(join(folder, 'tool'), '#!/nowhere/interpreter\n', { mode: 0o755 })
    const root = await uploadFolder(cas, folder)
    const { result, stderr } = await perform({ root, command: { arguments: ['./tool'] } })
    expect(result.exitCode).toBe(127)
    expect(stderr).toContain('the interpreter or loader that it names is not on the worker')
    const own = await perform({ root, command: shell('echo own >&2; exit 127') })
    expect([own.result.exitCode, own.stderr]).toEqual([127, 'own\n'])
  })

  test('arguments that are too long for a process are told as that; long ones pass', async () => {
    const { perform } = await openContext()
    const environmentVariables = [{ name: 'PATH', value: '/usr/bin:/bin' }]
    const many = Array.from({ length: 20_000 }, () => 'x'.repeat(60))
    const passed = await perform({
      command: { arguments: ['/bin/sh', '-c', 'echo $#', ...many], environmentVariables },
    })
    expect(passed.stdout).toBe('19999\n')
    for (const args of [['x'.repeat(131_072)], Array.from({ length: 40_000 }, () => 'x'.repeat(100))]) {
      const { response } = await perform({ command: { arguments: ['/bin/true', ...args], environmentVariables } })
      expect(response.status?.code).toBe(Code.INVALID_ARGUMENT)
      expect(response.status?.message).toContain('too long for a process')
    }
  })

  test('a Command that no process can be given is refused', async () => {
    const { perform } = await openContext()
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
    const { perform } = await openContext()
    const failed = await perform({ command: shell('echo out; echo err >&2; exit 7') })
    expect(failed.response.status?.code ?? 0).toBe(Code.OK)
    expect(failed).toMatchObject({ stdout: 'out\n', stderr: 'err\n', result: { exitCode: 7 } })
    expect((await perform({ command: shell('kill -9 $$') })).result.exitCode).toBe(137)
  })

  test('rule 31: a time-out is DEADLINE_EXCEEDED with what was written until then', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock })
    const action = { command: shell('echo so far; sleep 300'), onOutput: () => clock.passTimeout() }
    const { response, stdout } = await perform(action)
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(stdout).toBe('so far\n')
  })

  // Elsewhere, what leaves the group of processes is lost (README of the room).
  test.runIf(onLinux)('rule 31: a time-out ends the whole tree, also what left the group', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock })
    const mark = `31${Date.now()}`
    const script = `
      sleep ${mark} & echo one
      setsid sleep ${mark} & echo two
      setsid sh -c 'sleep ${mark} & echo three'
      wait`
    let seen = ''
    const onOutput = (_stream: string, data: Uint8Array) => {
      seen += Buffer.from(data).toString()
      if (seen.split('\n').length > 3) clock.passTimeout()
    }
    const { stdout, response } = await perform({ command: shell(script), onOutput })
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(stdout.trim().split('\n').toSorted()).toEqual(['one', 'three', 'two'])
    expect(await processesNaming(mark)).toEqual([])
  })

  test('rule 31: after a time-out the action may finish, and what it has made comes back', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock })
    const script = `trap 'echo tidy; echo done > late; exit 4' TERM
      echo early > early; echo so far >&2; while :; do sleep 0.01; done`
    const { response, result, stdout, stderr, file } = await perform({
      command: shell(script, { outputPaths: ['early', 'late', 'never'] }),
      onOutput: () => clock.passTimeout(),
    })
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(result.exitCode).toBe(4)
    expect(stdout).toBe('tidy\n')
    // The shell may say that its sleep was ended.
    expect(stderr).toMatch(/^so far\n/)
    expect([await file('early'), await file('late')]).toEqual(['early\n', 'done\n'])
    expect(result.outputFiles).toHaveLength(2)
  })

  test('rule 31: a time-out is told as such, whatever became of the outputs until then', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock })
    const { response, stdout } = await perform({
      command: shell('mkdir file; echo so far; exec sleep 300', { outputFiles: ['file'] }),
      onOutput: () => clock.passTimeout(),
    })
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(stdout).toBe('so far\n')
  })

  test('rule 31: an action that ignores the request to end is killed after the grace time', async () => {
    const clock = timeoutClock()
    const { perform } = await openContext({ clock, graceMs: 50 })
    const { response, result, stdout, file } = await perform({
      command: shell('trap "" TERM; echo x > made; echo up; while :; do sleep 0.01; done', { outputPaths: ['made'] }),
      onOutput: () => clock.passTimeout(),
    })
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(result.exitCode).toBe(137)
    expect([stdout, await file('made')]).toEqual(['up\n', 'x\n'])
    expect((await perform({ command: shell('echo next') })).stdout).toBe('next\n')
  })

  test('what an action leaves in the background does not outlive it', async () => {
    const { perform } = await openContext()
    const mark = `7${Date.now()}`
    const { stdout } = await perform({ command: shell(`sleep ${mark} >/dev/null 2>&1 & echo ok`) })
    expect(stdout).toBe('ok\n')
    expect(await processesNaming(mark)).toEqual([])
  })

  test('a cancelled action is killed and says why', async () => {
    const { perform, directory } = await openContext()
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
    const { perform } = await openContext()
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
    const { perform, directory } = await openContext()
    const script = 'mkdir -p a/b && echo x > a/b/f && ln -s / a/root && chmod 0 a/b a && echo done'
    expect((await perform({ command: shell(script) })).stdout).toBe('done\n')
    await expect.poll(() => readdirSync(join(directory, 'work'))).toEqual([])
  })

  test('rule 42: all times are there, in order, on success and on failure', async () => {
    const { perform, remote } = await openContext()
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
