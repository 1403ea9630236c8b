import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectedWorkers } from '../../src/client/fleet.ts'
import type { ClusterStatus, ServerStatus } from '../../src/cluster/status.ts'
import { openChannel } from '../../src/wire/channel.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

// A server is killed while Bazel builds: the build has to end well all the same.
describe.skipIf(!(await have('sid:bazel')))('a server dies while Bazel 7.7.1 builds', () => {
  let native: Native
  let work: Workdir
  let scheduler: Channel
  let salt = 0

  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
  const slow = (seconds: number, ...targets: string[]) =>
    bazel(
      'build',
      '--config=lre',
      '--verbose_failures',
      `--//slow:seconds=${seconds}`,
      `--//slow:salt=${salt}`,
      '--jobs=20',
      ...targets,
    )
  const status = async (): Promise<ClusterStatus> => JSON.parse((await native.ok('status', '--json')).stdout)
  const server = async (name: string): Promise<ServerStatus> => {
    const found = (await status()).servers.find((each) => each.name === name)
    if (!found) throw new Error(`there is no ${name}`)
    return found
  }
  const kill = async (name: string) => process.kill(Number((await server(name)).id), 'SIGKILL')
  const busy = async () => (await connectedWorkers(scheduler)).filter((each) => each.busy > 0)

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await native.ok('deploy', '--workers', '2', '--slots', '2')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
    const { address } = await server('scheduler')
    scheduler = openChannel(`grpc://${address}`)
  })
  afterAll(async () => {
    scheduler.close()
    await bazel('shutdown')
    await native.dispose()
    await work.remove()
  })
  beforeEach(() => {
    salt += 1
  })

  test('a worker, in the middle of an action', async () => {
    const build = slow(3, '//slow')
    const [worker] = await eventually(busy, (workers) => workers.length > 0)
    await kill(worker?.name ?? '')
    const ran = await build
    expect(ran.all).toMatch(/1 remote\b/)
    expect(ran.exitCode, ran.all).toBe(0)
  })

  test('the scheduler, while Bazel waits for eight actions', async () => {
    const build = slow(2, '//slow:slow8')
    await eventually(busy, (workers) => workers.length > 0)
    await kill('scheduler')
    const ran = await build
    expect(ran.exitCode, ran.all).toBe(0)
  })

  test('the cache, while Bazel uploads and downloads', async () => {
    const build = bazel(
      'build',
      '--config=lre',
      '--jobs=50',
      `--action_env=SALT=${Date.now()}`,
      '//many:all500',
      '//gen:big',
    )
    await eventually(busy, (workers) => workers.length > 0)
    await kill('cas')
    const ran = await build
    expect(ran.exitCode, ran.all).toBe(0)
  })

  test('all of them have come back by themselves', async () => {
    const healthy = await eventually(status, (each) => each.state === 'deployed')
    expect(healthy.problems).toEqual([])
    expect(healthy.servers.map((each) => each.restarts > 0)).toContain(true)
  })
})
