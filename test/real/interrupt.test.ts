import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectedWorkers } from '../../src/client/fleet.ts'
import { openChannel } from '../../src/wire/channel.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { processesNaming } from '../fixture/process.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Workdir } from '../fixture/real.ts'

// Whoever stops a build wants the worker's time back: the action ends, and its slot takes the next one.
describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 is stopped while an action runs', () => {
  let native: Native
  let work: Workdir
  let scheduler: Channel
  // Its number of seconds tells one action's process from all others of the machine.
  let seconds = 36_000 + (process.pid % 1000)

  const bazel = (args: readonly string[], options: Parameters<Workdir['chroot']>[1] = {}) =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws', ...options })
  const build = (forSeconds: number, options?: Parameters<Workdir['chroot']>[1]) =>
    bazel(
      ['build', '--config=lre', `--//slow:seconds=${forSeconds}`, `--//slow:salt=${process.pid}`, '//slow'],
      options,
    )
  const busy = async () => (await connectedWorkers(scheduler)).map((each) => each.busy)
  const sleeping = () => processesNaming(`sleep ${seconds}`)

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await writeFile(join(native.home, 'soon.yaml'), 'scheduler: { abandon: { lost: 2s } }\n')
    await native.ok('deploy', '--config', 'soon.yaml', '--workers', '1', '--slots', '1')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
    scheduler = openChannel(`grpc://${JSON.parse((await native.ok('ips', '--json')).stdout).scheduler.address}`)
  })
  afterAll(async () => {
    scheduler.close()
    await bazel(['shutdown'])
    await native.dispose()
    await work.remove()
  })

  const serverPid = async () => Number((await bazel(['info', 'server_pid'])).stdout.trim())

  test.each([
    ['Ctrl-C', 'SIGINT', false],
    // Of its client alone Bazel's own server takes no notice: it builds on.
    ['kill -9 of its client and its server', 'SIGKILL', true],
  ] as const)('by %s: the action ends, and the slot is free', async (_, killSignal, serverToo) => {
    seconds += 1
    const server = await serverPid()
    const stop = new AbortController()
    const running = build(seconds, { signal: stop.signal, killSignal })
    await eventually(sleeping, (processes) => processes.length > 0)
    expect(await busy()).toEqual([1])
    stop.abort()
    if (serverToo) process.kill(server, 'SIGKILL')
    expect((await running).exitCode).not.toBe(0)
    await eventually(sleeping, (processes) => processes.length === 0)
    await eventually(busy, ([count]) => count === 0)
    const next = await build(0)
    expect(next.exitCode, next.all).toBe(0)
  })
})
