import { expect, onTestFinished, test, vi } from 'vitest'
import type { re } from '../../src/wire/proto.ts'
import { packUsage } from '../../src/wire/resource-usage.ts'
import { Code } from '../../src/wire/rpc.ts'
import { keepingRecorder, saidBy } from '../fixture/recorder.ts'
import { connectWorker } from './worker.ts'
import { createWorld } from './world.ts'

/** The machine may be slow. */
const patience = { timeout: 30_000 }

/** A scheduler that repeats everything that it may, with two workers. */
async function world(share = 1) {
  const { recorder, told } = keepingRecorder()
  const made = createWorld({ recorder, repeatShare: share })
  onTestFinished(() => made.scheduler.close())
  const workers = {
    w1: await connectWorker(made.channel, { name: 'w1' }),
    w2: await connectWorker(made.channel, { name: 'w2' }),
  }
  return { ...made, told, workers, outcomes: () => outcomes(made.metrics.text()) }
}

async function outcomes(text: Promise<string> | string): Promise<Record<string, number>> {
  const lines = (await text).matchAll(/^native_scheduler_repeats_total\{outcome="([^"]+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, outcome = '', count]) => [outcome, Number(count)]))
}

function resultOf(output: string, worker: string): re.ActionResult.$Properties {
  const digest = { hash: output.repeat(64).slice(0, 64), sizeBytes: 1 }
  return { exitCode: 0, outputFiles: [{ path: 'out', digest }], executionMetadata: { worker } }
}

/** Runs an action to its end, on w1: it is the first that is free, and a repeat goes to the other one. */
async function runFirst(here: Awaited<ReturnType<typeof world>>, argument = ''): Promise<void> {
  const stream = here.execute(await here.action({ argument }), {}, { metadata: saidBy('build-1').headers })
  const { leaseId } = await here.workers.w1.assigned()
  here.workers.w1.finish(leaseId ?? '', resultOf('a', 'w1'))
  await stream.response()
}

test('an action runs again on another worker after its client has the answer, and the same is counted', async () => {
  const here = await world()
  await runFirst(here)
  const { leaseId } = await here.workers.w2.assigned()
  // What the other run has used is no difference.
  const auxiliaryMetadata = packUsage({ userMs: 10, systemMs: 20, peakMemoryBytes: 30 })
  here.workers.w2.finish(leaseId ?? '', {
    ...resultOf('a', 'w2'),
    executionMetadata: { worker: 'w2', auxiliaryMetadata },
  })
  await vi.waitFor(async () => expect(await here.outcomes()).toEqual({ same: 1 }), patience)
  expect(here.told.repeats).toMatchObject([{ repeated: { isSame: true } }])
  // Nobody else hears of it: no operation, no further execution in the history, and it is not repeated in turn.
  expect(here.told.executions).toHaveLength(1)
  expect(here.scheduler.snapshot()).toMatchObject({ executing: 0, queued: 0 })
})

test('other outputs are told with both results and on whose behalf', async () => {
  const here = await world()
  await runFirst(here)
  const { leaseId, actionDigest } = await here.workers.w2.assigned()
  here.workers.w2.finish(leaseId ?? '', resultOf('b', 'w2'))
  await vi.waitFor(async () => expect(await here.outcomes()).toEqual({ different: 1 }), patience)
  const [{ caller, hash, repeated } = expect.fail()] = here.told.repeats
  expect({ caller, hash }).toEqual({
    caller: { metadata: saidBy('build-1').value, instance: '' },
    hash: actionDigest?.hash,
  })
  expect(repeated.first.outputFiles?.[0]?.digest?.hash).toMatch(/^a+$/)
  expect(repeated.second.outputFiles?.[0]?.digest?.hash).toMatch(/^b+$/)
  // What builds have used stays in the cache.
  expect(here.calls.filter((method) => method.endsWith('UpdateActionResult'))).toHaveLength(1)
})

test('another exit code is another outcome, and a worker that cannot run it says nothing', async () => {
  const here = await world()
  await runFirst(here, 'one')
  const first = await here.workers.w2.assigned()
  here.workers.w2.finish(first.leaseId ?? '', { exitCode: 1, outputFiles: resultOf('a', 'w2').outputFiles ?? [] })
  await vi.waitFor(async () => expect(await here.outcomes()).toEqual({ different: 1 }), patience)
  await runFirst(here, 'two')
  const second = await here.workers.w2.assigned()
  here.workers.w2.fail(second.leaseId ?? '', Code.UNAVAILABLE, 'no room')
  await vi.waitFor(async () => expect(await here.outcomes()).toEqual({ different: 1, failed: 1 }), patience)
})

test('a repeat leaves its slot at once when a client waits for it', async () => {
  const here = await world()
  await runFirst(here, 'one')
  const repeat = await here.workers.w2.assigned()
  const running = here.execute(await here.action({ argument: 'two' }))
  await here.workers.w1.assigned()
  const waits = here.execute(await here.action({ argument: 'three' }))
  expect((await here.workers.w2.hear())?.cancel?.leaseId).toBe(repeat.leaseId)
  here.workers.w2.fail(repeat.leaseId ?? '', Code.CANCELLED, 'cancelled')
  const { leaseId } = await here.workers.w2.assigned()
  here.workers.w2.finish(leaseId ?? '')
  await waits.response()
  expect(await here.outcomes()).toEqual({ 'gave-way': 1 })
  running.cancel()
})

test('with one worker nothing is repeated, which is said once', async () => {
  const said: string[] = []
  const log = {
    debug: () => undefined,
    info: (message: string) => void said.push(message),
    warn: () => undefined,
    error: () => undefined,
    child: () => log,
  }
  const here = createWorld({ repeatShare: 1, log })
  onTestFinished(() => here.scheduler.close())
  const worker = await connectWorker(here.channel)
  for (const argument of ['one', 'two']) {
    const stream = here.execute(await here.action({ argument }))
    worker.finish((await worker.assigned()).leaseId ?? '')
    await stream.response()
  }
  expect(said.filter((message) => message.includes('not repeated'))).toHaveLength(1)
  expect(await outcomes(here.metrics.text())).toEqual({})
})

test('nothing is repeated that failed, that is not to be cached, or that nobody asked to repeat', async () => {
  for (const [share, facts, exitCode] of [
    [0, {}, 0],
    [1, {}, 1],
    [1, { doNotCache: true }, 0],
  ] as const) {
    const here = await world(share)
    const stream = here.execute(await here.action(facts))
    const { leaseId } = await here.workers.w1.assigned()
    here.workers.w1.finish(leaseId ?? '', { exitCode })
    await stream.response()
    here.clock.advance(5_000)
    expect(here.scheduler.snapshot().workers.map(({ busy }) => busy)).toEqual([0, 0])
  }
})

test('draining does not wait for a repeat', async () => {
  const here = await world()
  await runFirst(here)
  await here.workers.w2.assigned()
  await here.scheduler.drain()
  expect(await here.outcomes()).toEqual({ 'gave-way': 1 })
})

test('a repeat whose worker is lost is over', async () => {
  const here = await world()
  await runFirst(here)
  await here.workers.w2.assigned()
  here.workers.w2.die()
  await vi.waitFor(async () => expect(await here.outcomes()).toEqual({ failed: 1 }), patience)
  expect(here.scheduler.snapshot()).toMatchObject({ executing: 0, queued: 0 })
})
