import { expect, test, vi } from 'vitest'
import { Code } from '../../src/wire/rpc.ts'
import { keepingRecorder, saidBy } from '../fixture/recorder.ts'
import { connectWorker, errorOf } from './worker.ts'
import { createWorld } from './world.ts'

function createRecordedWorld() {
  const { recorder, told } = keepingRecorder()
  return { ...createWorld({ recorder }), told }
}

test('an execution is put down for each client that waits for it, with its run and who asked', async () => {
  const world = createRecordedWorld()
  const worker = await connectWorker(world.channel, { name: 'w1' })
  const digest = await world.action()
  const [first, second] = [saidBy('first'), saidBy('second')]
  const one = world.execute(digest, { instanceName: 'main' }, { metadata: first.headers })
  const { leaseId } = await worker.assigned()
  const two = world.execute(digest, { instanceName: 'main' }, { metadata: second.headers })
  await two.next()
  worker.finish(leaseId ?? '', { executionMetadata: { worker: 'w1', workerStartTimestamp: { seconds: 5 } } })
  await Promise.all([one.response(), two.response()])
  expect(world.told.executions.map(({ caller }) => caller)).toEqual([
    { metadata: first.value, instance: 'main' },
    { metadata: second.value, instance: 'main' },
  ])
  expect(world.told.executions.map(({ ended }) => ended)).toMatchObject([
    { cached: false, merged: false, status: Code.OK, exitCode: 0, attempts: 1 },
    { cached: false, merged: true, status: Code.OK, exitCode: 0, attempts: 1 },
  ])
  expect(world.told.executions[0]?.ended.metadata).toMatchObject({ worker: 'w1', workerStartTimestamp: { seconds: 5 } })
})

test('one whose result was in the cache is put down as that', async () => {
  const world = createRecordedWorld()
  const digest = await world.action()
  await world.results.update(digest, { exitCode: 0, executionMetadata: { worker: 'before' } })
  await world.execute(digest).response()
  expect(world.told.executions.map(({ ended }) => ended)).toMatchObject([
    { cached: true, status: Code.OK, attempts: 0 },
  ])
})

test('what the client wished, and what the Action says, is put down', async () => {
  const world = createRecordedWorld()
  const worker = await connectWorker(world.channel)
  const stream = world.execute(await world.action({ doNotCache: true }), { skipCacheLookup: true })
  worker.finish((await worker.assigned()).leaseId ?? '', { exitCode: 2 })
  await stream.response()
  expect(world.told.executions.map(({ ended }) => ended)).toMatchObject([
    { skipCacheLookup: true, doNotCache: true, exitCode: 2, status: Code.OK },
  ])
})

test('one that is refused is put down with the reason', async () => {
  const world = createRecordedWorld()
  const digest = await world.put(Buffer.from('\xff\xff no Action', 'latin1'))
  await errorOf(world.execute(digest).rest())
  expect(world.told.executions).toMatchObject([
    {
      hash: digest.hash,
      ended: { status: Code.INVALID_ARGUMENT, message: expect.stringContaining('cannot be decoded as Action') },
    },
  ])
})

test('one whose worker cannot run it, and one that is cancelled, are put down with their status', async () => {
  const world = createRecordedWorld()
  const worker = await connectWorker(world.channel)
  const failed = world.execute(await world.action({ argument: 'failed' }))
  worker.fail((await worker.assigned()).leaseId ?? '', Code.DEADLINE_EXCEEDED, 'it ran for too long')
  await failed.response()
  const cancelled = world.execute(await world.action({ argument: 'cancelled' }))
  await worker.assigned()
  cancelled.cancel()
  await vi.waitFor(() => {
    world.clock.advance(1_000)
    expect(world.told.executions).toHaveLength(2)
  }, 20_000)
  expect(world.told.executions.map(({ ended }) => ended)).toMatchObject([
    { status: Code.DEADLINE_EXCEEDED, message: expect.stringContaining('too long') },
    { status: Code.CANCELLED },
  ])
})
