import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectedWorkers } from '../../src/client/fleet.ts'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import type { BuildRecord } from '../../src/core/build-history.ts'
import type { InvocationSummary } from '../../src/core/invocation.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

// What Bazel tells of its builds with the lines of `native bazelrc`, and that no build waits for it.
describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 tells the console of its builds', () => {
  let native: Native
  let work: Workdir

  const bazel = (args: readonly string[], options: Parameters<Workdir['chroot']>[1] = {}): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws', ...options })
  const status = async (): Promise<ClusterStatus> => JSON.parse((await native.ok('status', '--json')).stdout)
  const idOf = ({ all }: Output) => /Invocation ID: ([0-9a-f-]{36})/.exec(all)?.[1] ?? 'none was printed'
  /** What was told of a build, once it is all there. */
  async function told(ran: Output, wanted = ({ exit }: InvocationSummary) => exit !== undefined) {
    const builds = async (): Promise<BuildRecord[]> => JSON.parse((await native.ok('builds', '--json')).stdout).builds
    const found = await eventually(
      async () => (await builds()).find(({ id }) => id === idOf(ran))?.told,
      (each) => each !== undefined && wanted(each),
    )
    return found
  }
  /** The page whose address Bazel prints. */
  async function pageOf({ all }: Output, below = '') {
    const url = /(?:Streaming build results to|results available at): (\S+)/.exec(all)?.[1]
    const page = await fetch(`${url}${below}`)
    return { status: page.status, text: await page.text() }
  }

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await native.ok('deploy', '--workers', '1', '--slots', '2')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
  })
  afterAll(async () => {
    await bazel(['shutdown'])
    await native.dispose()
    await work.remove()
  })

  test('a build that succeeds', async () => {
    const ran = await bazel(['build', '--config=lre', '--action_env=MY_TOKEN=hunter2', '//gen/...', '//sh:pass_test'])
    expect(ran.exitCode, ran.all).toBe(0)
    expect(await told(ran)).toMatchObject({
      command: 'build',
      patterns: ['//gen/...', '//sh:pass_test'],
      exit: { code: 0, name: 'SUCCESS' },
      targetsFailed: 0,
      tests: 0,
    })
    const { status: code, text } = await pageOf(ran)
    expect(code).toBe(200)
    expect(text).toContain('Result: ok')
    expect(text).toContain('--action_env=MY_TOKEN=(hidden)')
    expect(text).not.toContain('hunter2')
    expect(text).toContain('Build completed successfully')
  })

  test('one whose action fails, with what that printed', async () => {
    const ran = await bazel(['build', '--config=lre', '//fail', '//gen:upper', '-k'])
    expect(ran.exitCode, ran.all).toBe(1)
    expect(await told(ran)).toMatchObject({ exit: { code: 1, name: 'BUILD_FAILURE' }, targets: 2, targetsFailed: 1 })
    const { text } = await pageOf(ran)
    expect(text).toContain('Failures reported by the client')
    expect(text).toMatch(/stderr<\/p><pre>[^<]*this went to stderr/)
    const log = /href="[^"]*(\/action-log\/\d+\/\d+)" aria-label="stderr of/.exec(text)?.[1]
    expect((await pageOf(ran, log)).text).toContain('this went to stderr')
  })

  test('one whose test fails, with the log of it', async () => {
    const ran = await bazel(['test', '--config=lre', '//sh:pass_test', '//sh:fail_test'])
    expect(ran.exitCode, ran.all).toBe(3)
    expect(await told(ran)).toMatchObject({
      command: 'test',
      exit: { code: 3, name: 'TESTS_FAILED' },
      tests: 2,
      testsFailed: 1,
    })
    const { text } = await pageOf(ran)
    expect(text).toMatch(/\/\/sh:fail_test, what it printed[\s\S]*the test fails, as it should/)
    const log = /href="[^"]*(\/log\/\d+\/\d+)" aria-label="test.log of \/\/sh:fail_test"/.exec(text)?.[1]
    expect((await pageOf(ran, log)).text).toContain('the test fails, as it should')
    expect((await native.ok('builds')).stdout).toMatch(/test \/\/sh:pass_test .* tests failed/)
  })

  /** Runs one while actions of the build are under way. */
  async function during(building: Promise<Output>, act: () => Promise<void> | void): Promise<Output> {
    const scheduler = openChannel((await status()).addresses?.scheduler.url ?? '')
    await eventually(
      async () => (await connectedWorkers(scheduler)).some(({ busy }) => busy > 0),
      (busy) => busy,
    )
    scheduler.close()
    await act()
    return await building
  }
  const slow = (salt: number, ...flags: readonly string[]) => [
    ...['build', '--config=lre', '--//slow:seconds=2', `--//slow:salt=${salt}`, ...flags],
    '//slow:slow8',
  ]

  test('one that is interrupted', async () => {
    const stop = new AbortController()
    const ran = await during(bazel(slow(1), { signal: stop.signal, killSignal: 'SIGINT' }), () => stop.abort())
    expect(ran.exitCode, ran.all).toBe(8)
    expect((await told(ran))?.exit).toEqual({ code: 8, name: 'INTERRUPTED' })
  })

  const consoleId = async () => Number((await status()).servers.find(({ name }) => name === 'console')?.id)

  test('when the console is killed in the middle the build goes on, and tells it the rest', async () => {
    const ran = await during(bazel(slow(2)), async () => {
      process.kill(await consoleId(), 'SIGKILL')
    })
    expect(ran.exitCode, ran.all).toBe(0)
    expect(await told(ran)).toMatchObject({ exit: { code: 0 }, targets: 1, patterns: ['//slow:slow8'] })
    const { text } = await pageOf(ran)
    expect(text).toContain('Build completed successfully')
    expect(text).not.toContain('have never come')
  })

  test('when the console does not answer no build waits for it', async () => {
    const id = await consoleId()
    process.kill(id, 'SIGSTOP')
    try {
      for (let at = 0; at < 3; at += 1) {
        const ran = await bazel(['build', '--config=lre', '//gen:upper'])
        expect(ran.exitCode, ran.all).toBe(0)
        expect(ran.all).not.toMatch(/Waited for the background upload/)
      }
    } finally {
      process.kill(id, 'SIGCONT')
    }
  })

  test('without a console the lines of before do no harm', async () => {
    await native.ok('deploy', '--workers', '1', '--slots', '2', '--no-console')
    for (let at = 0; at < 2; at += 1) {
      const ran = await bazel(['build', '--config=lre', '//gen:upper'])
      expect(ran.exitCode, ran.all).toBe(0)
    }
    expect((await native.ok('bazelrc')).stdout).not.toContain('bes_')
  })
})
