import { expect, onTestFinished, test } from 'vitest'
import { elsewhereMs } from '../../src/scheduler/elsewhere.ts'
import { notOn, wasOnlyWorker } from '../../src/wire/elsewhere.ts'
import type { re } from '../../src/wire/proto.ts'
import { connectWorker, type ScriptedWorker, type WorkerFacts } from './worker.ts'
import { createWorld, type Followed } from './world.ts'

async function world(...facts: WorkerFacts[]) {
  const made = createWorld({ leaseMs: 10 * elsewhereMs })
  onTestFinished(() => made.scheduler.close())
  const workers: ScriptedWorker[] = []
  for (const each of facts) workers.push(await connectWorker(made.channel, each))
  const [w1 = expect.fail(), w2 = expect.fail()] = workers
  /** Has the worker busy with a client's action. @returns ends that */
  async function occupy(worker: ScriptedWorker, place: string): Promise<() => void> {
    const stream = made.execute(await made.action({ argument: place, platform: [['place', place]] }))
    const { leaseId } = await worker.assigned()
    await stream.next()
    return () => worker.finish(leaseId ?? '')
  }
  /** Executes an action that is not to run on w1, and waits until it is queued. */
  async function again(...platform: (readonly [string, string])[]): Promise<Followed> {
    const action = await made.action({ argument: 'again', doNotCache: true, platform })
    const stream = made.execute(action, {}, { metadata: notOn('w1') })
    await stream.next()
    return stream
  }
  return { ...made, w1, w2, occupy, again }
}

const places = [
  { name: 'w1', properties: [['place', '1']] },
  { name: 'w2', properties: [['place', '2']] },
] as const

async function ended(worker: ScriptedWorker, stream: Followed): Promise<re.ActionResult.$Properties> {
  worker.finish((await worker.assigned()).leaseId ?? '')
  return (await stream.response()).result ?? expect.fail()
}

test('an action that has a worker to avoid runs on another that is free', async () => {
  const here = await world(...places)
  const result = await ended(here.w2, await here.again())
  expect(result.executionMetadata).toMatchObject({ worker: 'w2', auxiliaryMetadata: [] })
})

test('it waits for another that is busy, though the one to avoid is free', async () => {
  const here = await world(...places)
  const finish = await here.occupy(here.w2, '2')
  const stream = await here.again()
  here.clock.advance(elsewhereMs - 1_000)
  const { queued, operations, workers } = here.scheduler.snapshot()
  expect({ queued, busy: workers.map(({ busy }) => busy) }).toEqual({ queued: 1, busy: [0, 1] })
  expect(operations.map(({ why }) => why)).toContain('waits for a free slot on another worker than w1')
  finish()
  expect((await ended(here.w2, stream)).executionMetadata?.worker).toBe('w2')
})

test('it takes no slot that a queued action waits for', async () => {
  const here = await world(...places)
  const finish = await here.occupy(here.w2, '2')
  const stream = await here.again()
  const before = here.execute(await here.action({ argument: 'a build', platform: [['place', '2']] }))
  await before.next()
  finish()
  here.w2.finish((await here.w2.assigned()).leaseId ?? '', { exitCode: 7 })
  expect((await before.response()).result?.exitCode).toBe(7)
  expect((await ended(here.w2, stream)).executionMetadata?.worker).toBe('w2')
})

test('after its time it runs where there is room, and the result says that others could have run it', async () => {
  const here = await world(...places)
  await here.occupy(here.w2, '2')
  const stream = await here.again()
  here.clock.advance(elsewhereMs + 1_000)
  const result = await ended(here.w1, stream)
  expect(result.executionMetadata).toMatchObject({ worker: 'w1', auxiliaryMetadata: [expect.anything()] })
  expect(wasOnlyWorker(result)).toBe(false)
})

test('if no other worker offers its platform it runs at once, and the result says so', async () => {
  const here = await world(...places)
  const result = await ended(here.w1, await here.again(['place', '1']))
  expect(result.executionMetadata?.worker).toBe('w1')
  expect(wasOnlyWorker(result)).toBe(true)
})

test('if the other worker goes, it no longer waits', async () => {
  const here = await world(...places)
  await here.occupy(here.w2, '2')
  const stream = await here.again()
  here.w2.die()
  await expect.poll(() => here.scheduler.snapshot().workers.length).toBe(1)
  here.clock.advance(2_000)
  expect(wasOnlyWorker(await ended(here.w1, stream))).toBe(true)
})

test('one that waits can be cancelled, and draining rejects it', async () => {
  const here = await world(...places)
  const finish = await here.occupy(here.w2, '2')
  const cancelled = await here.again()
  cancelled.cancel()
  await expect.poll(() => here.scheduler.snapshot().queued).toBe(0)
  const rejected = await here.again()
  const drained = here.scheduler.drain()
  expect((await rejected.response()).status?.message).toContain('shutting down')
  finish()
  await drained
  expect(here.scheduler.snapshot()).toMatchObject({ queued: 0, executing: 0 })
})
