import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBuildHistory } from '../../src/client/build-history.ts'
import { connectedWorkers } from '../../src/client/fleet.ts'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import type { BuildHistory, BuildRecord } from '../../src/core/build-history.ts'
import { openChannel } from '../../src/wire/channel.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

// What the console knows of builds of Bazel. (Debian's does not send its version.)
describe.skipIf(!(await have('sid:bazel')))('the history of builds of Bazel 7.7.1', () => {
  let native: Native
  let work: Workdir
  let channel: Channel
  let history: BuildHistory

  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
  const status = async (): Promise<ClusterStatus> => JSON.parse((await native.ok('status', '--json')).stdout)
  const builds = async (): Promise<BuildRecord[]> => JSON.parse((await native.ok('builds', '--json')).stdout).builds
  /** The invocation of a build, whose id Bazel prints. */
  const idOf = ({ all }: Output) => /Invocation ID: ([0-9a-f-]{36})/.exec(all)?.[1] ?? 'none was printed'
  const settled = (id: string, actions: number) =>
    eventually(
      async () => (await builds()).find((each) => each.id === id),
      (build) => build !== undefined && build.actions >= actions && build.missed === 0,
    )

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await native.ok('deploy', '--workers', '2', '--slots', '2')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
    const { addresses } = await status()
    channel = openChannel(addresses?.console?.url ?? '')
    history = openBuildHistory(channel)
  })
  afterAll(async () => {
    channel.close()
    await bazel('shutdown')
    await native.dispose()
    await work.remove()
  })

  test('has two builds, of which the second came out of the cache', async () => {
    const first = await bazel('build', '--config=lre', '//many:all500', '//cc/...', '//gen/...')
    await bazel('clean')
    const second = await bazel('build', '--config=lre', '//many:all500', '//cc/...', '//gen/...')
    expect([first.exitCode, second.exitCode], first.all + second.all).toEqual([0, 0])
    const [one, two] = [await settled(idOf(first), 500), await settled(idOf(second), 500)]
    expect(one).toMatchObject({ tool: 'bazel', hits: 0, failed: 0, local: 0, dropped: 0 })
    expect(one?.executed).toBe(one?.actions)
    expect(one?.bytesReceived).toBeGreaterThan(0)
    expect(two).toMatchObject({ actions: one?.actions, hits: one?.actions, executed: 0, failed: 0 })
    const table = (await native.ok('builds')).stdout
    expect(table).toMatch(new RegExp(`^${two?.id.slice(0, 8)} .* bazel .* 100 %`, 'm'))
    expect(table).toMatch(new RegExp(`^${one?.id.slice(0, 8)} .* bazel .* 0 %`, 'm'))
  })

  test('knows targets, mnemonics and outputs, and with what an action is to be compared', async () => {
    const build = (salt: string) =>
      bazel('build', '--config=lre', `--action_env=SALT=${salt}`, '--host_action_env=SALT=same', '//gen:upper')
    const [before, after] = [await build('1'), await build('2')]
    await settled(idOf(before), 1)
    await settled(idOf(after), 1)
    const [action] = await eventually(
      () => history.actions({ build: idOf(after), target: '//gen:upper', limit: 10 }),
      ([each]) => each?.command !== undefined,
    )
    expect(action).toMatchObject({ mnemonic: 'Genrule', outcome: 'executed', lookup: { answer: 'absent' } })
    expect(action?.firstOutput).toMatch(/^bazel-out\/.*\/bin\/gen\/.*upper/)
    expect(action?.times.runEnd).toBeGreaterThanOrEqual(action?.times.runStart ?? Number.POSITIVE_INFINITY)
    const [earlier] = await history.earlier(action?.row ?? 0, 1)
    expect(earlier).toMatchObject({ build: idOf(before), target: '//gen:upper' })
    expect(earlier?.digest.hash).not.toBe(action?.digest.hash)
    const [maker] = await history.producers({ path: action?.firstOutput ?? '', limit: 1 })
    expect(maker?.row).toBe(action?.row)
    for (const digest of [action?.digest, action?.command, action?.inputRoot])
      expect(digest && (await history.blob(digest))?.length).toBe(digest?.size)
  })

  test('counts what fails', async () => {
    const ran = await bazel('build', '--config=lre', '//fail')
    expect(ran.exitCode).toBe(1)
    expect(await settled(idOf(ran), 1)).toMatchObject({ failed: 1 })
  })

  test('is not missed by a build while the console is killed, and goes on afterwards', async () => {
    const { servers, addresses } = await status()
    const scheduler = openChannel(addresses?.scheduler.url ?? '')
    const building = bazel(
      'build',
      '--config=lre',
      '--//slow:seconds=2',
      '--//slow:salt=9',
      '--jobs=20',
      '//slow:slow8',
    )
    await eventually(
      async () => (await connectedWorkers(scheduler)).some(({ busy }) => busy > 0),
      (busy) => busy,
    )
    scheduler.close()
    process.kill(Number(servers.find(({ name }) => name === 'console')?.id), 'SIGKILL')
    const ran = await building
    expect(ran.exitCode, ran.all).toBe(0)
    expect((await settled(idOf(ran), 8))?.executed).toBeGreaterThanOrEqual(8)
  })
})
