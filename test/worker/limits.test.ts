import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { leastLimits } from '../../src/core/limit-properties.ts'
import { Code } from '../../src/wire/rpc.ts'
import { endingText } from '../../src/worker/ending.ts'
import { findCgroups } from '../../src/worker/limits/cgroups.ts'
import { limitLines, unkeptTexts } from '../../src/worker/limits/limits.ts'
import { testFolder } from '../fixture/folder.ts'
import { openContext, shell, uploadFolder } from './worker-context.ts'

vi.setConfig({ testTimeout: 60_000 })

const onLinux = process.platform === 'linux'
/** The ways of this system to keep an action apart. */
const ways = onLinux ? (['sandbox', 'namespace', 'group'] as const) : (['group'] as const)
const places = findCgroups()
const mebibyte = 1024 * 1024
/** Takes 200 MiB and says so. */
const greedy = `perl -e '$x = "x" x (200 * 1024 * 1024); print length $x, "\\n"'`

describe.runIf(places.memory)('memory, by a cgroup', () => {
  test('an action that takes more is killed, and its answer says why, with what it wrote', async () => {
    const { perform } = await openContext({ limits: { memoryBytes: 64 * mebibyte } })
    const { response, stdout } = await perform({ command: shell(`echo first; exec ${greedy}`) })
    expect(response).toMatchObject({
      status: { code: 0 },
      result: { exitCode: 137 },
      message: expect.stringMatching(/^the action took more memory than its limit of 64 MiB .*1 process was killed$/),
    })
    expect(stdout).toBe('first\n')
  })

  test('the next action of the slot is not blamed', async () => {
    const { perform } = await openContext({ limits: { memoryBytes: 64 * mebibyte } })
    await perform({ command: shell(`exec ${greedy}`) })
    const { response } = await perform({ command: shell('exit 3') })
    expect(response).toMatchObject({ result: { exitCode: 3 }, message: '' })
  })

  test('one that takes less is not', async () => {
    const { perform } = await openContext({ limits: { memoryBytes: 1024 * mebibyte } })
    const { response, stdout } = await perform({ command: shell(greedy) })
    expect([response.message, stdout]).toEqual(['', `${200 * mebibyte}\n`])
  })
})

test('the least limits that an action may ask for let it run, and spoil nothing for the next', async () => {
  const { perform, context } = await openContext({ limits: { memoryBytes: 512 * mebibyte } })
  const before = context.spawner.notes()
  const properties = Object.entries(leastLimits).map(([name, value]) => ({ name, value: String(value) }))
  expect(await perform({ command: { arguments: ['/bin/echo', 'ran'] }, properties })).toMatchObject({ stdout: 'ran\n' })
  const { response } = await perform({ command: shell(`exec ${greedy}`), properties: [{ name: 'memory', value: '1' }] })
  expect(response.status?.code).toBe(Code.INVALID_ARGUMENT)
  expect((await perform({ command: shell('echo next') })).stdout).toBe('next\n')
  expect(context.spawner.notes()).toEqual(before)
})

describe.runIf(places.pids)('processes, by a cgroup', () => {
  test('a fork bomb fills its own limit, and the next action finds none of it', async () => {
    const { perform } = await openContext({ limits: { pids: 40 } })
    const bomb = 'bomb() { bomb | bomb & }; bomb; sleep 0.3; exit 1'
    const { response } = await perform({ command: shell(bomb) })
    expect(response.message).toMatch(/more processes and threads at once than its limit of 40/)
    const { stdout } = await perform({
      command: shell('i=0; while [ $i -lt 30 ]; do sleep 0.2 & i=$((i+1)); done; wait; echo ok'),
    })
    expect(stdout).toBe('ok\n')
  })
})

describe.runIf(places.cpu)('processors, by a cgroup', () => {
  test('an action gets its share', async () => {
    const { perform } = await openContext({ limits: { cpus: 0.1 } })
    const busy = `perl -e 'my $end = time + 2; 1 while time < $end; print((times)[0] < 1 ? "little" : "much")'`
    expect((await perform({ command: shell(busy) })).stdout).toBe('little')
  })
})

test('a file that grows too large ends its action, and the answer says so', async () => {
  const { perform } = await openContext({ limits: { fileBytes: mebibyte } })
  const { response, stdout } = await perform({ command: shell('echo first; exec head -c 3000000 /dev/zero > file') })
  expect(response).toMatchObject({
    result: { exitCode: 153 },
    message: expect.stringMatching(/^the action wrote a file of more than its limit of 1.0 MiB/),
  })
  expect(stdout).toBe('first\n')
  expect((await perform({ command: shell('head -c 1000000 /dev/zero | wc -c') })).stdout).toBe('1000000\n')
})

test('a signal is told by its name', async () => {
  const { perform } = await openContext()
  const { response, stdout } = await perform({ command: shell('echo first; kill -SEGV $$') })
  expect(response).toMatchObject({
    status: { code: 0 },
    result: { exitCode: 139 },
    message: 'the action was ended by a signal: exit code 139 stands for SIGSEGV',
  })
  expect(stdout).toBe('first\n')
})

// Shells that are /bin/sh somewhere; bash is POSIX's under that name.
const limited = ['sh', 'bash --posix', 'busybox sh'].filter((name) => existsSync(`/bin/${name.split(' ')[0]}`))
test.runIf(onLinux).each(limited)('limits of each process are what %s takes', async (name) => {
  const { perform } = await openContext()
  const lines = limitLines({ memoryBytes: 1e9, pids: 60, fileBytes: mebibyte }, { memory: true, pids: true })
  const shown = name === 'sh' ? 'ulimit -p' : 'ulimit -u'
  const script = `${lines.join('\n')}\n${name === 'busybox sh' ? 'echo 61' : shown}; ulimit -d; ulimit -f`
  const { stdout } = await perform({ command: { ...shell(''), arguments: [...name.split(' '), '-c', script] } })
  expect(stdout).toMatch(/^61\n976563\n2048\n$/)
})

// macOS knows RLIMIT_DATA and does not keep it.
test.runIf(onLinux)('what no cgroup limits, each process is', async () => {
  expect(limitLines({ memoryBytes: 64 * mebibyte, pids: 10 }, { memory: true, pids: false })).toHaveLength(1)
  const { perform } = await openContext()
  const [line = ''] = limitLines({ memoryBytes: 64 * mebibyte }, { memory: true, pids: false })
  const { response, stderr } = await perform({ command: shell(`${line}\n${greedy}`) })
  expect(response.result?.exitCode).not.toBe(0)
  expect(stderr).toMatch(/memory/i)
})

test('an exit code of its own has no cause but itself', () => {
  const limits = { memoryBytes: 1, pids: 1, fileBytes: 1 }
  expect(endingText(1, { memoryKills: 0, pidsRefused: 0 }, limits)).toBeUndefined()
  expect(endingText(0, { memoryKills: 1, pidsRefused: 1 }, limits)).toBeUndefined()
  expect(endingText(250, undefined, {})).toBeUndefined()
})

test('limits that no cgroup keeps are told', () => {
  const limits = { memoryBytes: 1, cpus: 1, pids: 1 }
  expect(unkeptTexts(limits, ['memory', 'cpu'])).toEqual([])
  expect(unkeptTexts(limits, [])).toEqual([
    expect.stringContaining('limits.memory is enforced for each process'),
    expect.stringContaining('limits.cpus is not enforced'),
  ])
})

describe('what an action asks for', () => {
  const asked = (name: string, value: string) => ({ properties: [{ name, value }] })

  test.runIf(places.memory)('memory of its own, less than others have', async () => {
    const { perform } = await openContext({ limits: { memoryBytes: 1024 * mebibyte } })
    const { response } = await perform({ command: shell(`exec ${greedy}`), ...asked('memory', '64MiB') })
    expect(response.message).toMatch(/^the action took more memory than its limit of 64 MiB .*the property memory of/)
    expect((await perform({ command: shell(greedy) })).stdout).toBe(`${200 * mebibyte}\n`)
  })

  test.runIf(places.memory)('never more than the worker lets anybody have', async () => {
    const { perform } = await openContext({ limits: { memoryBytes: 64 * mebibyte } })
    const { response } = await perform({ command: shell(`exec ${greedy}`), ...asked('memory', '4GiB') })
    expect(response.message).toContain('limit of 64 MiB')
  })

  test.each(ways)('disk, by %s: in its folder and beside it', async (way) => {
    const { perform } = await openContext({ ways: [way] })
    const fill = (at: string) =>
      shell(`echo first; mkdir -p ${at}; for i in 1 2 3 4 5 6; do head -c 1000000 /dev/zero >${at}/$i; done; sleep 20`)
    for (const at of way === 'sandbox' ? ['deep/er', '/tmp', '/dev/shm'] : ['deep/er']) {
      const { response, stdout } = await perform({ command: fill(at), ...asked('disk', '4MB') })
      expect(response).toMatchObject({
        status: { code: 0 },
        result: { exitCode: 137 },
        message: expect.stringMatching(/^the action wrote more than its limit of 3.8 MiB in all/),
      })
      expect(stdout).toBe('first\n')
    }
    const { result } = await perform({ command: shell('head -c 1000000 /dev/zero > file'), ...asked('disk', '4MB') })
    expect(result.exitCode).toBe(0)
  })

  test('disk: a slot that is lost while many inputs are counted is an answer', async () => {
    const { perform, cas } = await openContext({ ways: ['group'] })
    const folder = await testFolder()
    for (let number = 0; number < 2_000; number += 1) writeFileSync(join(folder, `${number}`), '')
    const root = await uploadFolder(cas, folder)
    const { response } = await perform({ command: shell('kill -9 $PPID'), root, ...asked('disk', '4MB') })
    expect(response.status?.code).toBe(Code.UNAVAILABLE)
  })

  test('no single file of more', async () => {
    const { perform } = await openContext()
    const { response } = await perform({
      command: shell('exec head -c 3000000 /dev/zero > file'),
      ...asked('disk', '1MiB'),
    })
    expect(response.message).toMatch(/^the action wrote a file of more than its limit of 1.0 MiB/)
  })
})
