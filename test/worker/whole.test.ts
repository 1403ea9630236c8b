import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { type ExecuteOptions, execute } from '../../src/client/execute.ts'
import { runRemotely } from '../../src/client/run.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Digest } from '../../src/core/digest.ts'
import { computableFunctions } from '../../src/core/hash.ts'
import { createScheduler } from '../../src/scheduler/services.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { re } from '../../src/wire/proto.ts'
import { usageIn } from '../../src/wire/resource-usage.ts'
import { Code } from '../../src/wire/rpc.ts'
import { findCgroups } from '../../src/worker/limits/cgroups.ts'
import type { Limits } from '../../src/worker/limits/limits.ts'
import { startWorker, type Worker } from '../../src/worker/worker.ts'
import { openRemote } from '../client/remote.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { shell } from './worker-context.ts'

vi.setConfig({ testTimeout: 30_000 })

/** The real client, scheduler, cache and workers in one process. */
async function openHouse() {
  const remote = openRemote()
  const scheduler = createScheduler({
    cas: remote.channel,
    instances: new Set(['']),
    timeouts: { defaultMs: 60_000, maxMs: 3_600_000 },
    leaseMs: 10_000,
    requeuesMax: 2,
    workerWaitMs: 30_000,
    updateEveryMs: 30_000,
    queueMax: 100,
    queueBytesMax: 256 * 1024 * 1024,
    cancelledMs: 2_000,
    lostMs: 60_000,
    repeatShare: 0,
    clock: systemClock,
    log: quietLog,
    metrics: createMetrics(),
  })
  const channel = memoryChannel(scheduler.services)
  const cas = createCasClient(remote.channel)
  const addWorker = async (name: string, limits: Limits = {}): Promise<Worker> => {
    const worker = await startWorker({
      scheduler: channel,
      cas: remote.channel,
      name,
      slots: 2,
      properties: [],
      directory: join(await testFolder(), name),
      cacheSizeBytes: 1e6,
      graceMs: 2_000,
      inputs: 'auto',
      limits,
      version: '',
      clock: systemClock,
      log: quietLog,
      metrics: createMetrics(),
    })
    onTestFinished(() => worker.close())
    await expect.poll(() => worker.connected).toBe(true)
    return worker
  }
  onTestFinished(() => scheduler.close())
  const put = async (bytes: Uint8Array): Promise<Digest> => {
    const blob = blobOf(bytes)
    await cas.upload([{ digest: blob.digest, content: blob.bytes }])
    return blob.digest
  }
  return {
    cas,
    channel,
    addWorker,
    async run(command: re.Command.$Properties, options: Partial<ExecuteOptions> = {}) {
      const commandDigest = wireDigest(await put(re.Command.encode(command).finish()))
      const inputRootDigest = wireDigest(blobOf('').digest)
      const action = await put(re.Action.encode({ commandDigest, inputRootDigest }).finish())
      return await execute(channel, { action, inlineStdout: true, ...options })
    },
  }
}

const textOf = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString()

test('an action runs, and the second time its result comes out of the cache', async () => {
  const house = await openHouse()
  await house.addWorker('w1')
  const command = shell('echo hello; echo made > out', { outputPaths: ['out'] })
  const first = await house.run(command)
  expect(first).toMatchObject({ cached: false, error: undefined })
  expect(textOf(first.result.stdoutRaw)).toBe('hello\n')
  expect(first.result.executionMetadata?.worker).toBe('w1')
  const second = await house.run(command)
  expect(second.cached).toBe(true)
  expect(second.result.outputFiles).toEqual(first.result.outputFiles)
  expect(usageIn(second.result)).toEqual(usageIn(first.result))
})

test('what a running action writes can be followed', async () => {
  const house = await openHouse()
  await house.addWorker('w1')
  const meeting = await testFolder()
  const executed = await house.run(shell(`echo early; until [ -e ${meeting}/seen ]; do sleep 0.05; done`), {
    onOutput: (stream, bytes) => {
      expect([stream, textOf(bytes)]).toEqual(['stdout', 'early\n'])
      writeFileSync(join(meeting, 'seen'), '')
    },
  })
  expect(executed.followed.stdout).toBe(6)
  expect(executed.result.exitCode).toBe(0)
})

test('a worker that is lost in the middle of an action costs the client nothing but time', async () => {
  const house = await openHouse()
  const meeting = await testFolder()
  const doomed = await house.addWorker('doomed')
  const running = house.run(shell(`[ -e ${meeting}/second ] && exit 0; touch ${meeting}/second; sleep 300`))
  await expect.poll(() => doomed.running).toBe(1)
  await expect.poll(() => existsSync(join(meeting, 'second'))).toBe(true)
  await house.addWorker('heir')
  await doomed.close()
  const executed = await running
  expect(executed.result.executionMetadata?.worker).toBe('heir')
  expect(executed.result.exitCode).toBe(0)
})

test.runIf(findCgroups().memory)(
  'an action that a worker kills for memory runs again where it may have more',
  async () => {
    const house = await openHouse()
    const mebibyte = 2 ** 20
    const meeting = await testFolder()
    await house.addWorker('small', { memoryBytes: 64 * mebibyte })
    const wait = `touch ${meeting}/running; until [ -e ${meeting}/go ]; do sleep 0.05; done`
    const running = house.run(shell(`${wait}; exec perl -e '$x = "x" x (100 * 1024 * 1024); print length $x'`))
    await expect.poll(() => existsSync(join(meeting, 'running'))).toBe(true)
    await house.addWorker('large', { memoryBytes: 1024 * mebibyte })
    writeFileSync(join(meeting, 'go'), '')
    const executed = await running
    expect(textOf(executed.result.stdoutRaw)).toBe(`${100 * mebibyte}`)
    expect(executed.result.executionMetadata?.worker).toBe('large')
    expect(executed.message).toMatch(/at least 128 MiB: small killed it for more than 64 MiB of memory$/)
  },
)

test('rule 31: the time-out of an action reaches the client with what it had written', async () => {
  const house = await openHouse()
  await house.addWorker('w1')
  const command = blobOf(re.Command.encode(shell('echo so far; sleep 300')).finish())
  const action = blobOf(
    re.Action.encode({
      commandDigest: wireDigest(command.digest),
      inputRootDigest: wireDigest(blobOf('').digest),
      timeout: { seconds: 1 },
    }).finish(),
  )
  await house.cas.upload([command, action].map(({ digest, bytes }) => ({ digest, content: bytes })))
  const executed = await house.run({}, { action: action.digest })
  expect(executed.error?.code).toBe(Code.DEADLINE_EXCEEDED)
  expect(executed.error?.message).toContain('killed after its time-out of 1 s')
  expect(textOf(executed.result.stdoutRaw)).toBe('so far\n')
})

test.each(computableFunctions)(
  'rule 4: inputs, outputs and streams with %s digests, executed and cached',
  async (fn) => {
    const house = await openHouse()
    await house.addWorker('one')
    const inputFolder = await testFolder()
    const outputFolder = await testFolder()
    mkdirSync(join(inputFolder, 'in'))
    writeFileSync(join(inputFolder, 'in/file'), 'from the client')
    const said: string[] = []
    const run = (skipCacheLookup: boolean) =>
      runRemotely(
        house.channel,
        house.channel,
        {
          argv: [
            '/bin/sh',
            '-c',
            'mkdir -p out/deep && cat in/file > out/deep/copy && echo done > single && echo said',
          ],
          env: { PATH: '/usr/bin:/bin' },
          inputFolder,
          outputPaths: ['out', 'single'],
          outputFolder,
          properties: [],
          doNotCache: false,
          skipCacheLookup,
          fn,
        },
        { onOutput: (_, bytes) => said.push(textOf(bytes)) },
      )
    const first = await run(true)
    expect(first).toMatchObject({ exitCode: 0, cached: false, error: undefined, action: { fn } })
    expect(first.used.userMs).toEqual(process.platform === 'linux' ? expect.any(Number) : undefined)
    const { used } = first
    expect(await run(false)).toMatchObject({ exitCode: 0, cached: true, uploaded: { blobs: 0 }, used })
    expect(said.join('')).toBe('said\nsaid\n')
    expect(readFileSync(join(outputFolder, 'out/deep/copy'), 'utf8')).toBe('from the client')
    expect(readFileSync(join(outputFolder, 'single'), 'utf8')).toBe('done\n')
  },
)
