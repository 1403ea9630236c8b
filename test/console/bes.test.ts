import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bep, bes } from '../../src/wire/proto.ts'
import { Code, type RpcError } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { finished, openTelling, patterns, printed, requestOf, type Sent, started, target, tell } from './bes-client.ts'
import { absent, callerOf, hour, openTestConsole, ran } from './fixture.ts'

describe('the Build Event Service', () => {
  let folder: string
  let it: ReturnType<typeof openTestConsole>
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'native-bes-'))
    it = openTestConsole({ folder })
  })
  afterEach(() => {
    it.close()
    rmSync(folder, { recursive: true })
  })

  const record = async (invocation: string) => await it.console.history.invocation(invocation)
  const counted = async (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await it.metrics.text())?.[1])

  test('keeps what a build tells, and acknowledges each event once and in order', async () => {
    const events = [started('test'), patterns('//...', '-//b'), printed('one\n'), target('//a'), target('//b', false)]
    expect(await tell(it.channel, 'i', [...events, finished(3, 'TESTS_FAILED'), 'last'])).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(await record('i')).toMatchObject({
      command: 'test',
      patterns: ['//...', '-//b'],
      started: 1_800_000_000_000,
      finished: 1_800_000_009_000,
      exit: { code: 3, name: 'TESTS_FAILED' },
      workspace: '/ws',
      targets: 2,
      targetsFailed: 1,
      output: 'one\n',
      complete: true,
      leftOut: 0,
    })
  })

  test('joins with what the servers saw of the same invocation, whoever comes first', async () => {
    const digest = await it.action({ argument: 'a' })
    const caller = callerOf({ invocation: 'i', target: '//a', mnemonic: 'Genrule' })
    await tell(it.channel, 'i', [started()])
    it.recorder.lookup(caller, digest, absent)
    it.recorder.execution(caller, digest, ran())
    await it.settled()
    await tell(it.channel, 'i', [finished(), 'last'], 2)
    const builds = await it.history.builds({ limit: 10 })
    expect(builds).toMatchObject([
      { id: 'i', tool: 'bazel', toolVersion: '7.7.1', executed: 1, told: { command: 'build', exit: { code: 0 } } },
    ])
  })

  test('a build whose client tells nothing has nothing of it', async () => {
    it.recorder.lookup(callerOf({ invocation: 'i' }), await it.action({ argument: 'a' }), absent)
    await it.settled()
    expect((await it.history.builds({ limit: 1 }))[0]).not.toHaveProperty('told')
    expect(await record('i')).toBeUndefined()
  })

  test('what is sent again after a break is acknowledged, and is not there twice', async () => {
    const leaving = new AbortController()
    const broken = openTelling(it.channel, leaving.signal)
    for (const [at, each] of [started(), printed('one\n'), printed('two\n')].entries())
      broken.send(requestOf('i', at + 1, each))
    for (const number of [1, 2, 3]) expect(await broken.acknowledged()).toBe(number)
    leaving.abort()
    // The acknowledgements of 2 and 3 were lost on the way.
    expect(await tell(it.channel, 'i', [printed('one\n'), printed('two\n'), printed('three\n')], 2)).toEqual([2, 3, 4])
    expect((await record('i'))?.output).toBe('one\ntwo\nthree\n')
    expect(await counted('native_console_build_events_repeated_total')).toBe(2)
    expect(await counted('native_console_build_events_total')).toBe(4)
  })

  test('a gap ends the call with a status at which clients send again, and nothing behind it is kept', async () => {
    const telling = openTelling(it.channel)
    telling.send(requestOf('i', 1, started()))
    telling.send(requestOf('i', 3, printed('three\n')))
    expect(await telling.acknowledged()).toBe(1)
    await expect(telling.rest()).rejects.toMatchObject({ code: Code.ABORTED })
    await expect(tell(it.channel, 'i', [printed('four\n')], 4)).rejects.toMatchObject({ code: Code.ABORTED })
    expect(await tell(it.channel, 'i', [printed('two\n'), printed('three\n')], 2)).toEqual([2, 3])
    expect((await record('i'))?.output).toBe('two\nthree\n')
  })

  test('what stands before a gap, or before an event that makes no sense, is acknowledged though they come together', async () => {
    const telling = openTelling(it.channel)
    for (const at of [1, 2, 4, 1]) telling.send(requestOf('i', at, printed(`${at} `)))
    expect([await telling.acknowledged(), await telling.acknowledged()]).toEqual([1, 2])
    await expect(telling.rest()).rejects.toMatchObject({ code: Code.ABORTED })
    const other = openTelling(it.channel)
    other.send(requestOf('i', 3, printed('3 ')))
    other.send(requestOf('another', 4, printed('4 ')))
    expect(await other.acknowledged()).toBe(3)
    await expect(other.rest()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    expect((await record('i'))?.output).toBe('1 2 3 ')
  })

  test('a stream that the history has lost goes on, and says how much is missing', async () => {
    expect(await tell(it.channel, 'i', [printed('end\n'), finished()], 11)).toEqual([11, 12])
    expect(await record('i')).toMatchObject({ leftOut: 10, output: 'end\n', exit: { code: 0 } })
  })

  test('several tell at once, each by itself', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `i${at}`)
    const tellings = names.map(() => openTelling(it.channel))
    for (let number = 1; number <= 5; number += 1)
      for (const [at, telling] of tellings.entries())
        telling.send(requestOf(`i${at}`, number, printed(`${at}.${number} `)))
    for (const telling of tellings) telling.end()
    for (const telling of tellings) expect(await telling.rest()).toEqual([1, 2, 3, 4, 5])
    for (const at of names.keys())
      expect((await record(`i${at}`))?.output).toBe([1, 2, 3, 4, 5].map((number) => `${at}.${number} `).join(''))
  })

  test('a second call of a stream takes over from one that hangs', async () => {
    const hanging = openTelling(it.channel)
    hanging.send(requestOf('i', 1, started()))
    expect(await hanging.acknowledged()).toBe(1)
    expect(await tell(it.channel, 'i', [finished(), 'last'], 2)).toEqual([2, 3])
    await expect(hanging.rest()).rejects.toMatchObject({ code: Code.ABORTED })
  })

  test.each([
    ['without a stream', bes.PublishBuildToolEventStreamRequest.encode({}).finish()],
    ['without a number', requestOf('i', 0, started())],
    ['with a number that nobody counts to', requestOf('i', 2 ** 53 - 1, started())],
    ['that is none', Buffer.from([0xff, 0xff])],
    ['with an endless id', requestOf('i'.repeat(1000), 1, started())],
  ])('a request %s is refused for good', async (_, request) => {
    const telling = openTelling(it.channel)
    telling.send(request)
    await expect(telling.rest()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
  })

  test('a call that changes its stream is refused', async () => {
    const telling = openTelling(it.channel)
    telling.send(requestOf('i', 1, started()))
    telling.send(requestOf('j', 2, started()))
    expect(await telling.acknowledged()).toBe(1)
    await expect(telling.rest()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    expect(await record('j')).toBeUndefined()
  })

  test('an event that makes no sense, or that nobody here knows, is acknowledged and counted', async () => {
    const unknown = Buffer.from([0xc2, 0x3e, 0x02, 0x08, 0x01])
    expect(await tell(it.channel, 'i', [started(), Buffer.from([0x0f, 0xff]), unknown, finished()])).toEqual([
      1, 2, 3, 4,
    ])
    expect(await counted('native_console_build_events_unreadable_total')).toBe(1)
    expect((await record('i'))?.exit).toEqual({ code: 0, name: 'SUCCESS' })
  })

  test.each([
    ['beyond what a number holds', { seconds: 2 ** 60 }, 2 ** 62],
    ['beyond the year 9999', { seconds: 300_000_000_000 }, 1e16],
    ['with too many nanoseconds', { seconds: 1, nanos: 2_000_000_000 }, -(2 ** 62)],
  ])('a time %s is left out, and the builds can be read', async (_, time, ms) => {
    const events: Sent[] = [
      { id: {}, started: { command: 'build', startTime: time } },
      { id: { testResult: { label: '//t' } }, testResult: { testAttemptDuration: { seconds: ms }, status: 1 } },
      { buildMetrics: { timingMetrics: { wallTimeInMs: ms, cpuTimeInMs: ms } } },
      { id: { buildFinished: {} }, finished: { finishTimeMillis: ms } },
    ]
    expect(await tell(it.channel, 'i', [...events, 'last'])).toEqual([1, 2, 3, 4, 5])
    expect(await it.history.builds({ limit: 10 })).toMatchObject([{ id: 'i', told: { command: 'build' } }])
    expect(await record('i')).toMatchObject({ started: it.clock.now(), finished: it.clock.now() })
    expect(await counted('native_console_build_events_unreadable_total')).toBe(0)
  })

  test('a time that is none of whole milliseconds is rounded', async () => {
    const aborted: Sent = { id: { buildFinished: {} }, aborted: { description: 'interrupted' } }
    const telling = openTelling(it.channel)
    telling.send(requestOf('i', 1, aborted, { seconds: 1_800_000_000, nanos: 123_456_789 }))
    telling.end()
    expect(await telling.rest()).toEqual([1])
    expect(await record('i')).toMatchObject({ finished: 1_800_000_000_123 })
  })

  test('an event that the tables do not take is acknowledged at once, and counted', async () => {
    await tell(it.channel, 'i', [started()])
    const database = new DatabaseSync(join(folder, 'history.db'))
    database.exec(`CREATE TRIGGER refused BEFORE INSERT ON invocation_targets WHEN NEW.label = '//odd'
      BEGIN SELECT RAISE(ABORT, 'no such label'); END`)
    database.close()
    expect(await tell(it.channel, 'i', [target('//odd'), target('//a'), finished(), 'last'], 2)).toEqual([2, 3, 4, 5])
    expect(await record('i')).toMatchObject({ targets: 1, exit: { code: 0 } })
    expect(await counted('native_console_build_events_unreadable_total')).toBe(1)
  })

  test('a client that stops in the middle leaves a build without an end, and holds nothing', async () => {
    const leaving = new AbortController()
    const telling = openTelling(it.channel, leaving.signal)
    telling.send(requestOf('i', 1, started()))
    expect(await telling.acknowledged()).toBe(1)
    leaving.abort()
    await expect(telling.rest()).rejects.toMatchObject({ code: Code.CANCELLED })
    const known = await record('i')
    expect(known).toMatchObject({ command: 'build', complete: false })
    expect(known).not.toHaveProperty('finished')
  })

  test('one who takes no acknowledgements has to wait, and loses nothing', async () => {
    const telling = openTelling(it.channel)
    const told = 10_000
    for (let at = 1; at <= told; at += 1) telling.send(requestOf('i', at, printed('.')))
    telling.end()
    expect(await telling.acknowledged()).toBe(1)
    const kept = () => counted('native_console_build_events_total')
    let before = 0
    for (let now = await kept(); now !== before; now = await kept()) {
      before = now
      for (let turns = 0; turns < 500; turns += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(before).toBeLessThan(told / 2)
    expect((await telling.rest()).at(-1)).toBe(told)
    expect((await record('i'))?.output).toHaveLength(told)
  })

  test('while the history cannot be written the client waits, and loses nothing', async () => {
    const elsewhere = join(folder, 'later')
    mkdirSync(join(elsewhere, 'history.db'), { recursive: true })
    const later = openTestConsole({ folder: elsewhere })
    const telling = openTelling(later.channel)
    telling.send(requestOf('i', 1, started()))
    telling.send(requestOf('i', 2, printed('two\n')))
    telling.end()
    const numbers = telling.rest()
    for (let seconds = 0; seconds < 10; seconds += 1) {
      later.clock.advance(1_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await Promise.race([numbers, 'none yet'])).toBe('none yet')
    rmdirSync(join(elsewhere, 'history.db'))
    await eventually(
      async () => {
        later.clock.advance(1_000)
        return await Promise.race([numbers, []])
      },
      ({ length }) => length > 0,
    )
    expect(await numbers).toEqual([1, 2])
    expect(await later.console.history.invocation('i')).toMatchObject({ output: 'two\n', leftOut: 0 })
    later.close()
  })

  test('one that waits in vain hears that there is no room, and one that has gone is waited for no more', async () => {
    mkdirSync(join(folder, 'never', 'history.db'), { recursive: true })
    const never = openTestConsole({ folder: join(folder, 'never') })
    const leaving = new AbortController()
    const [patient, gone] = [openTelling(never.channel), openTelling(never.channel, leaving.signal)]
    patient.send(requestOf('i', 1, started()))
    gone.send(requestOf('j', 1, started()))
    const [ended, left] = [patient.rest(), gone.rest()].map((rest) => rest.catch((error: RpcError) => error.code))
    await new Promise((resolve) => setImmediate(resolve))
    leaving.abort()
    expect(await left).toBe(Code.CANCELLED)
    const code = await eventually(
      async () => {
        never.clock.advance(10_000)
        return await Promise.race([ended, undefined])
      },
      (each) => each !== undefined,
    )
    expect(code).toBe(Code.UNAVAILABLE)
    never.close()
  })

  test('of what a tool prints the end is kept', async () => {
    const piece = `${'x'.repeat(99)}\n`.repeat(2_000)
    await tell(it.channel, 'i', [started(), printed('first\n'), ...Array.from({ length: 10 }, () => printed(piece))])
    const { output = '', outputCut = 0 } = (await record('i')) ?? {}
    expect(output.length).toBeLessThanOrEqual(1024 * 1024)
    expect(output.length).toBeGreaterThan(700_000)
    expect(output.length + outputCut).toBe(10 * piece.length + 'first\n'.length)
  })

  test('one event of 5 MB is taken, and one beyond 16 MB is not', async () => {
    expect(await tell(it.channel, 'i', [printed('y'.repeat(5_000_000)), printed('end')])).toEqual([1, 2])
    expect((await record('i'))?.output.endsWith('yend')).toBe(true)
    await expect(tell(it.channel, 'j', [printed('y'.repeat(17_000_000))])).rejects.toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
    })
  })

  test('one build has a bounded part of the history', async () => {
    const failed = (at: number): bep.BuildEvent.$Properties => ({
      id: { targetCompleted: { label: `//${'p'.repeat(900)}:${at}` } },
      completed: { success: false, failureDetail: { message: 'm'.repeat(4_000) } },
    })
    const told = 8_000
    await tell(
      it.channel,
      'i',
      Array.from({ length: told }, (_, at) => failed(at)),
    )
    const { targets = 0, leftOut = 0 } = (await record('i')) ?? {}
    expect(targets + leftOut).toBe(told)
    expect(targets * 4_900).toBeLessThanOrEqual(32 * 1024 * 1024)
    expect(leftOut).toBeGreaterThan(500)
  })

  test('tests have their attempts, durations and logs; those that fail come first', async () => {
    const result = (label: string, attempt: number, status: bep.TestStatus): bep.BuildEvent.$Properties => ({
      id: { testResult: { label, run: 1, shard: 1, attempt } },
      testResult: {
        status,
        testAttemptDuration: { seconds: 1, nanos: 500_000_000 },
        testActionOutput: [{ name: 'test.log', uri: `bytestream://127.0.0.1:1/main/blobs/${'a'.repeat(64)}/5` }],
      },
    })
    const summary = (label: string, overallStatus: bep.TestStatus): bep.BuildEvent.$Properties => ({
      id: { testSummary: { label } },
      testSummary: { overallStatus },
    })
    const { FAILED, FLAKY, PASSED } = bep.TestStatus
    await tell(it.channel, 'i', [
      result('//a', 1, PASSED),
      summary('//a', PASSED),
      result('//b', 1, FAILED),
      result('//b', 2, PASSED),
      summary('//b', FLAKY),
      result('//c', 1, FAILED),
    ])
    const known = await record('i')
    expect(known).toMatchObject({ tests: 3, testsFailed: 1 })
    expect(known?.testsShown.map(({ label, status }) => `${label} ${status}`)).toEqual([
      '//c failed',
      '//b flaky',
      '//a passed',
    ])
    expect(known?.testsShown[1]?.attempts).toMatchObject([
      { attempt: 1, status: 'failed', ms: 1500, logs: [{ name: 'test.log' }] },
      { attempt: 2, status: 'passed' },
    ])
  })

  test('a secret is hidden in addresses, and before a text is cut to its length', async () => {
    const told = `${'x'.repeat(3_980)} https://me:hunter2-and-more@example.com/`
    const uri = 'https://me:hunter2@example.com/log'
    const events: Sent[] = [
      { id: { buildFinished: {} }, finished: { exitCode: { code: 1 }, failureDetail: { message: told } } },
      { buildToolLogs: { log: [{ name: 'command.profile.gz', uri }] } },
      {
        id: { testResult: { label: '//t' } },
        testResult: { status: 4, testActionOutput: [{ name: 'test.log', uri }] },
      },
      { optionsParsed: { cmdLine: [`--define=a=${told}`] } },
    ]
    await tell(it.channel, 'i', events)
    const known = await record('i')
    expect(known?.message).toContain('https://me:(hidden)')
    expect(known?.profile).toBe('https://me:(hidden)@example.com/log')
    expect(JSON.stringify(known)).not.toContain('hunter2')
  })

  test('what looks like a secret is hidden in options, messages and output', async () => {
    await tell(it.channel, 'i', [
      {
        optionsParsed: {
          explicitCmdLine: ['--remote_header=authorization=Bearer s3cret', '--action_env=API_TOKEN=s3cret', '--jobs=8'],
          cmdLine: ['--bes_header', 'x-api-key: s3cret', '--repo_env=DB_PASSWORD=s3cret'],
        },
      },
      printed('INFO: --client_env=GITHUB_'),
      printed('TOKEN=s3cret\n'),
      { id: { buildFinished: {} }, finished: { exitCode: { code: 1 }, failureDetail: { message: 'TOKEN=s3cret' } } },
    ])
    const known = await record('i')
    expect(JSON.stringify(known)).not.toContain('s3cret')
    expect(known?.options).toContain('--jobs=8')
    expect(known?.output).toContain('GITHUB_TOKEN=(hidden)')
  })

  test('it goes with its build when the history forgets that', async () => {
    await tell(it.channel, 'i', [started(), printed('one'), target('//a'), finished(), 'last'])
    it.clock.advance(25 * hour)
    await eventually(
      async () => {
        it.clock.advance(10_000)
        return await it.history.builds({ limit: 1 })
      },
      (builds) => builds.length === 0,
    )
    expect(await record('i')).toBeUndefined()
    expect(await tell(it.channel, 'i', [started()])).toEqual([1])
  })

  test('lifecycle events are taken', async () => {
    const method = 'google.devtools.build.v1.PublishBuildEvent/PublishLifecycleEvent'
    const streamId = { buildId: 'b' }
    const request = bes.PublishLifecycleEventRequest.encode({ buildEvent: { streamId, sequenceNumber: 1 } }).finish()
    expect(await it.channel.unary(method, request)).toHaveLength(0)
    await expect(it.channel.unary(method, new Uint8Array(0))).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
  })
})
