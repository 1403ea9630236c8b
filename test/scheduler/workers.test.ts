import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/rpc.ts'
import { errorOfStatus, isNoWorkerCame } from '../../src/wire/status.ts'
import { connectWorker, errorOf, openWorker, type ScriptedWorker } from './worker.ts'
import { createWorld, type World, wire } from './world.ts'

const queued = 2
const executing = 3

/** Lets everything that is under way over the in-memory channels arrive. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

async function ended(worker: ScriptedWorker) {
  return errorOf(
    (async () => {
      for (let message = await worker.hear(); message; message = await worker.hear());
    })(),
  )
}

describe('a worker that is lost', () => {
  test('in the middle of an action: it goes back to QUEUED (rule 29) and to another worker', async () => {
    const world = createWorld()
    const first = await connectWorker(world.channel, { name: 'w1' })
    const digest = await world.action()
    const stream = world.execute(digest)
    expect((await stream.next())?.metadata.stage).toBe(executing)
    await first.assigned()
    first.die()
    expect((await stream.next())?.metadata.stage).toBe(queued)
    const second = await connectWorker(world.channel, { name: 'w2' })
    expect((await stream.next())?.metadata.partialExecutionMetadata?.worker).toBe('w2')
    const assign = await second.assigned()
    expect(assign.actionDigest).toMatchObject(wire(digest))
    second.finish(assign.leaseId ?? '')
    const response = await stream.response()
    expect(response.result?.executionMetadata?.worker).toBe('w2')
    expect(response.message).toContain('at attempt 2')
  })

  test('keeps its place before those that came later', async () => {
    const world = createWorld()
    const first = await connectWorker(world.channel, { name: 'w1' })
    const early = await world.action({ argument: 'early' })
    const late = await world.action({ argument: 'late' })
    await world.execute(early).next()
    await world.execute(late).next()
    first.die()
    const second = await connectWorker(world.channel, { name: 'w2' })
    expect((await second.assigned()).actionDigest).toMatchObject(wire(early))
  })

  test('more often than requeuesMax: UNAVAILABLE inside the ExecuteResponse (rule 24)', async () => {
    const world = createWorld({ requeuesMax: 2 })
    const stream = world.execute(await world.action())
    for (const name of ['w1', 'w2', 'w3']) {
      const worker = await connectWorker(world.channel, { name })
      await worker.assigned()
      worker.die()
      await ended(worker)
    }
    const response = await stream.response()
    expect(response.status?.code).toBe(Code.UNAVAILABLE)
    expect(response.status?.message).toContain('w3')
  })

  test('by silence: its lease runs out, it is dismissed, and its late answer is ignored', async () => {
    const world = createWorld({ leaseMs: 10_000 })
    const silent = await connectWorker(world.channel, { name: 'silent' })
    const other = await connectWorker(world.channel, { name: 'other' })
    const stream = world.execute(await world.action())
    expect((await stream.next())?.metadata.partialExecutionMetadata?.worker).toBe('silent')
    const lost = await silent.assigned()
    world.clock.advance(11_000)
    const assign = await other.assigned()
    expect(assign.leaseId).not.toBe(lost.leaseId)
    silent.finish(lost.leaseId ?? '', { exitCode: 99 })
    expect((await ended(silent)).code).toBe(Code.UNAVAILABLE)
    other.finish(assign.leaseId ?? '', { exitCode: 4 })
    expect((await stream.response()).result?.exitCode).toBe(4)
  })

  test('not while it renews, however long the action takes', async () => {
    const world = createWorld({ leaseMs: 10_000 })
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const { leaseId } = await worker.assigned()
    for (let i = 0; i < 50; i += 1) {
      worker.say({ renew: { leaseIds: [leaseId ?? ''] } })
      await settled()
      world.clock.advance(5_000)
    }
    worker.finish(leaseId ?? '')
    expect((await stream.response()).result?.exitCode).toBe(0)
  })

  test('an action that the worker does not renew among others is given out again', async () => {
    const world = createWorld({ leaseMs: 10_000 })
    const worker = await connectWorker(world.channel, { slots: 2 })
    await world.execute(await world.action({ argument: '1' })).next()
    const second = world.execute(await world.action({ argument: '2' }))
    const kept = await worker.assigned()
    const dropped = await worker.assigned()
    for (let i = 0; i < 3; i += 1) {
      worker.say({ renew: { leaseIds: [kept.leaseId ?? ''] } })
      await settled()
      world.clock.advance(4_000)
    }
    const again = await worker.assigned()
    expect(again.actionDigest).toEqual(dropped.actionDigest)
    worker.finish(dropped.leaseId ?? '', { exitCode: 99 })
    worker.finish(again.leaseId ?? '', { exitCode: 1 })
    expect((await second.response()).result?.exitCode).toBe(1)
  })

  test('not because this machine has slept', async () => {
    const world = createWorld({ leaseMs: 10_000 })
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const { leaseId } = await worker.assigned()
    world.clock.sleep(3_600_000)
    world.clock.advance(1_000)
    worker.say({ renew: { leaseIds: [leaseId ?? ''] } })
    await settled()
    world.clock.advance(9_000)
    worker.finish(leaseId ?? '', { exitCode: 8 })
    const response = await stream.response()
    expect(response.result?.exitCode).toBe(8)
    expect(response.message).not.toContain('attempt')
  })

  test('an idle one that is silent for three leases is dismissed', async () => {
    const world = createWorld({ leaseMs: 10_000 })
    const worker = await connectWorker(world.channel)
    world.clock.advance(29_000)
    worker.say({ renew: {} })
    await settled()
    world.clock.advance(29_000)
    expect(world.scheduler.snapshot().workers.length).toBe(1)
    world.clock.advance(2_000)
    expect((await ended(worker)).code).toBe(Code.UNAVAILABLE)
    expect(world.scheduler.snapshot().workers).toEqual([])
  })

  test('another worker’s answer for a lease is ignored', async () => {
    const world = createWorld()
    const owner = await connectWorker(world.channel, { name: 'owner' })
    const thief = await connectWorker(world.channel, { name: 'thief' })
    const stream = world.execute(await world.action())
    const { leaseId } = await owner.assigned()
    thief.finish(leaseId ?? '', { exitCode: 99 })
    await settled()
    owner.finish(leaseId ?? '', { exitCode: 2 })
    expect((await stream.response()).result?.exitCode).toBe(2)
  })
})

test('a worker that could not run it for a passing reason counts as lost', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const stream = world.execute(await world.action())
  worker.fail((await worker.assigned()).leaseId ?? '', Code.UNAVAILABLE, 'the disk is being cleaned')
  const again = await worker.assigned()
  worker.finish(again.leaseId ?? '')
  expect((await stream.response()).result?.exitCode).toBe(0)
})

test('what a worker in trouble gives back goes to another, even to one that is busy just now', async () => {
  const world = createWorld()
  const sick = await connectWorker(world.channel, { name: 'sick' })
  const first = world.execute(await world.action({ argument: '1' }))
  const given = await sick.assigned()
  const well = await connectWorker(world.channel, { name: 'well' })
  const other = world.execute(await world.action({ argument: '2' }))
  const busy = await well.assigned()
  sick.fail(given.leaseId ?? '', Code.UNAVAILABLE, 'its disk is full')
  await settled()
  expect(world.scheduler.snapshot()).toMatchObject({ queued: 1 })
  well.finish(busy.leaseId ?? '')
  expect((await other.response()).result?.exitCode).toBe(0)
  const again = await well.assigned()
  expect(again.actionDigest).toEqual(given.actionDigest)
  well.finish(again.leaseId ?? '', { exitCode: 7 })
  expect((await first.response()).result?.exitCode).toBe(7)
})

test('a worker that has rested takes actions again, also the one that no other took', async () => {
  const world = createWorld()
  const sick = await connectWorker(world.channel, { name: 'sick', properties: [['os', 'linux']] })
  await connectWorker(world.channel, { name: 'other', properties: [['os', 'mac']] })
  const stream = world.execute(await world.action({ platform: [['os', 'linux']] }))
  sick.fail((await sick.assigned()).leaseId ?? '', Code.UNAVAILABLE, 'its disk is full')
  await settled()
  world.clock.advance(2_000)
  sick.finish((await sick.assigned()).leaseId ?? '', { exitCode: 3 })
  expect((await stream.response()).result?.exitCode).toBe(3)
})

describe('rule 26: no workers', () => {
  test('none at all for workerWaitMs: UNAVAILABLE', async () => {
    const world = createWorld({ workerWaitMs: 60_000 })
    const stream = world.execute(await world.action())
    await stream.next()
    world.clock.advance(62_000)
    const response = await stream.response()
    expect(response.status?.code).toBe(Code.UNAVAILABLE)
    expect(response.message).toBe('no worker that could take it came within 60 s: no worker is connected')
    const error = errorOfStatus(response.status)
    expect(error && isNoWorkerCame(error)).toBe(true)
  })

  test('the right ones have left, others are there: FAILED_PRECONDITION after workerWaitMs', async () => {
    const world = createWorld({ workerWaitMs: 60_000, leaseMs: 60_000 })
    const right = await connectWorker(world.channel, { name: 'right', properties: [['os', 'linux']] })
    await connectWorker(world.channel, { name: 'other', properties: [['os', 'mac']] })
    right.die()
    await settled()
    const stream = world.execute(await world.action({ platform: [['os', 'linux']] }))
    expect((await stream.next())?.metadata.stage).toBe(queued)
    world.clock.advance(62_000)
    const response = await stream.response()
    expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
    expect(response.message).toContain('os=linux')
  })

  test('one comes in time: it runs', async () => {
    const world = createWorld({ workerWaitMs: 60_000 })
    const stream = world.execute(await world.action())
    await stream.next()
    world.clock.advance(50_000)
    const worker = await connectWorker(world.channel)
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await stream.response()).result?.exitCode).toBe(0)
  })
})

test('a leaving worker finishes what it has and gets nothing more', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel, { slots: 2 })
  const first = world.execute(await world.action({ argument: '1' }))
  const { leaseId } = await worker.assigned()
  worker.say({ leaving: { reason: 'draining' } })
  await settled()
  const second = world.execute(await world.action({ argument: '2' }))
  expect((await second.next())?.metadata.stage).toBe(queued)
  expect(world.scheduler.snapshot().workers[0]).toMatchObject({ leaving: true, busy: 1 })
  worker.finish(leaseId ?? '', { exitCode: 6 })
  expect((await first.response()).result?.exitCode).toBe(6)
  worker.close()
  await settled()
  expect(world.scheduler.snapshot().workers).toEqual([])
})

describe('a worker’s stream', () => {
  test('the same process takes its own place when its connection hangs', async () => {
    const world = createWorld()
    const run = Buffer.from('one process')
    const old = await connectWorker(world.channel, { name: 'same', run })
    const stream = world.execute(await world.action())
    await old.assigned()
    const fresh = await connectWorker(world.channel, { name: 'same', run })
    expect((await ended(old)).code).toBe(Code.ALREADY_EXISTS)
    fresh.finish((await fresh.assigned()).leaseId ?? '')
    expect((await stream.response()).result?.exitCode).toBe(0)
    expect(world.scheduler.snapshot().workers.length).toBe(1)
  })

  test.each([
    ['of another process', Buffer.from('another process')],
    ['that does not say which process it is', undefined],
  ])('a namesake %s does not send away one that lives (M1)', async (_, run) => {
    const world = createWorld({ leaseMs: 10_000 })
    const there = await connectWorker(world.channel, { name: 'same', run: Buffer.from('one process') })
    const stream = world.execute(await world.action())
    const { leaseId } = await there.assigned()
    const refused = openWorker(world.channel)
    refused.say({ hello: { worker: 'same', slots: 1, ...(run && { run }) } })
    const error = await ended(refused)
    expect(error).toMatchObject({ code: Code.ALREADY_EXISTS, message: expect.stringContaining('name of its own') })
    there.finish(leaseId ?? '', { exitCode: 3 })
    expect((await stream.response()).result?.exitCode).toBe(3)
  })

  test('a namesake takes the place of one that has been silent for a lease', async () => {
    const world = createWorld({ leaseMs: 10_000 })
    const old = await connectWorker(world.channel, { name: 'same', run: Buffer.from('dead machine') })
    world.clock.advance(11_000)
    await connectWorker(world.channel, { name: 'same', run: Buffer.from('its successor') })
    expect((await ended(old)).code).toBe(Code.ALREADY_EXISTS)
    expect(world.scheduler.snapshot().workers.length).toBe(1)
  })

  test.each([
    ['no hello', { renew: {} }],
    ['no name', { hello: { worker: '', slots: 1 } }],
    ['no slots', { hello: { worker: 'w', slots: 0 } }],
    ['too many slots', { hello: { worker: 'w', slots: 1e9 } }],
  ])('%s is INVALID_ARGUMENT', async (_, message) => {
    const world = createWorld()
    const worker = openWorker(world.channel)
    worker.say(message)
    expect((await ended(worker)).code).toBe(Code.INVALID_ARGUMENT)
  })

  test('one that says nothing is sent away', async () => {
    const world = createWorld()
    const worker = openWorker(world.channel)
    await settled()
    world.clock.advance(11_000)
    expect((await ended(worker)).code).toBe(Code.DEADLINE_EXCEEDED)
  })
})

describe('cancelled actions', () => {
  async function running(world: World) {
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const name = (await stream.next())?.name ?? ''
    return { worker, stream, name, assign: await worker.assigned() }
  }

  test('its connection broke: it goes on for lostMs, then its worker is told to stop', async () => {
    const world = createWorld({ lostMs: 60_000, leaseMs: 600_000 })
    const { worker, stream, name, assign } = await running(world)
    stream.lose()
    await settled()
    world.clock.advance(59_000)
    const waiting = world.wait(name)
    expect((await waiting.next())?.metadata.stage).toBe(executing)
    world.clock.advance(120_000)
    waiting.lose()
    await settled()
    world.clock.advance(60_000)
    expect((await worker.hear())?.cancel?.leaseId).toBe(assign.leaseId)
    expect((await world.wait(name).response()).status?.code).toBe(Code.CANCELLED)
  })

  test('the slot stays taken until the worker lets go, then serves the next', async () => {
    const world = createWorld({ cancelledMs: 1_000 })
    const { worker, stream, assign } = await running(world)
    stream.cancel()
    await settled()
    world.clock.advance(1_000)
    const next = world.execute(await world.action({ argument: 'next' }))
    expect((await next.next())?.metadata.stage).toBe(queued)
    expect((await worker.hear())?.cancel?.leaseId).toBe(assign.leaseId)
    worker.fail(assign.leaseId ?? '', Code.CANCELLED, 'killed')
    const second = await worker.assigned()
    worker.finish(second.leaseId ?? '')
    expect((await next.response()).result?.exitCode).toBe(0)
  })
})

describe('a client that leaves', () => {
  const digests = (world: World, names: readonly string[]) =>
    Promise.all(names.map((argument) => world.action({ argument })))

  test('and has cancelled: what waits is gone at once, what runs after cancelledMs', async () => {
    const world = createWorld({ cancelledMs: 2_000, lostMs: 60_000 })
    const worker = await connectWorker(world.channel)
    const streams = (await digests(world, ['runs', 'waits', 'waits too'])).map((digest) => world.execute(digest))
    for (const stream of streams) await stream.next()
    const { leaseId } = await worker.assigned()
    for (const stream of streams) stream.cancel()
    await settled()
    expect(world.scheduler.snapshot()).toMatchObject({ queued: 0, executing: 1 })
    const other = world.execute(await world.action({ argument: 'of another build' }))
    expect((await other.next())?.metadata.stage).toBe(queued)
    world.clock.advance(1_999)
    await settled()
    world.clock.advance(1)
    expect((await worker.hear())?.cancel?.leaseId).toBe(leaseId)
    worker.fail(leaseId ?? '', Code.CANCELLED, 'killed')
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await other.response()).result?.exitCode).toBe(0)
  })

  test('and has lost its connection finds all of it again, whichever way another client of the same has left', async () => {
    const world = createWorld({ cancelledMs: 2_000, lostMs: 60_000, workerWaitMs: 600_000 })
    const [digest] = await digests(world, ['shared'])
    if (!digest) throw new Error('there is no action')
    const [lost, cancelled] = [world.execute(digest), world.execute(digest)]
    const name = (await lost.next())?.name ?? ''
    await cancelled.next()
    lost.lose()
    await settled()
    cancelled.cancel()
    await settled()
    world.clock.advance(50_000)
    const back = world.wait(name)
    expect((await back.next())?.metadata.stage).toBe(queued)
    world.clock.advance(20_000)
    const worker = await connectWorker(world.channel)
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await back.response()).result?.exitCode).toBe(0)
  })

  test('loses its place to those who are there, and has it again when it comes back', async () => {
    const world = createWorld({ lostMs: 60_000, workerWaitMs: 600_000 })
    const [first, second, third] = await digests(world, ['orphan', 'comes back', 'live'])
    if (!first || !second || !third) throw new Error('there are no actions')
    const urgent = { executionPolicy: { priority: -100 } }
    const orphan = world.execute(first, urgent)
    const returning = world.execute(second, urgent)
    const names = [await orphan.next(), await returning.next()].map((each) => each?.name ?? '')
    orphan.lose()
    returning.lose()
    await settled()
    await world.execute(third, { executionPolicy: { priority: 100 } }).next()
    await world.wait(names[1] ?? '').next()
    const worker = await connectWorker(world.channel)
    const order: unknown[] = []
    for (let i = 0; i < 3; i += 1) {
      const { leaseId, actionDigest } = await worker.assigned()
      order.push(actionDigest)
      worker.finish(leaseId ?? '')
    }
    expect(order).toMatchObject([second, third, first].map(wire))
  })
})

test('3,000 actions from 3,000 streams run through two workers without loss', async () => {
  const world = createWorld({ queueMax: 20_000 })
  const count = 3_000
  const digests = await Promise.all(Array.from({ length: count }, (_, i) => world.action({ argument: String(i) })))
  const streams = digests.map((digest) => world.execute(digest, { skipCacheLookup: true }))
  const workers = await Promise.all(['w1', 'w2'].map((name) => connectWorker(world.channel, { name, slots: 8 })))
  for (const worker of workers) {
    const serve = async () => {
      for (let message = await worker.hear(); message?.assign; message = await worker.hear())
        worker.finish(message.assign.leaseId ?? '', { exitCode: 0 })
    }
    serve().catch(() => undefined)
  }
  const responses = await Promise.all(streams.map((stream) => stream.response()))
  expect(responses.every((response) => response.result?.exitCode === 0)).toBe(true)
  expect(world.scheduler.snapshot()).toMatchObject({ queued: 0, executing: 0, operations: [] })
}, 60_000)

test.each(['properties', 'limits'] as const)('a worker with too many %s hears which they are', async (field) => {
  const worker = openWorker(createWorld().channel)
  const many = Array.from({ length: 1_000 }, (_, number) => ({ name: `n${number}`, value: '1' }))
  worker.say({ hello: { worker: 'w1', slots: 1, version: 'test', [field]: many } })
  const error = await ended(worker)
  expect([error.code, error.message]).toEqual([Code.INVALID_ARGUMENT, expect.stringContaining(`${field}: `)])
})
