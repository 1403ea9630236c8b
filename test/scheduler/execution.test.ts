import { describe, expect, test, vi } from 'vitest'
import { rpc } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { connectWorker, errorOf } from './worker.ts'
import { createWorld, wire } from './world.ts'

const queued = 2
const executing = 3
const completed = 4

test('an action goes to a worker with all that it needs to run, and its result comes back', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel, { name: 'w1' })
  const digest = await world.action({ timeout: { seconds: 7 } })
  const stream = world.execute(digest, { inlineStdout: true, inlineOutputFiles: ['out'], instanceName: 'main' })
  const assign = await worker.assigned()
  expect(assign.actionDigest).toMatchObject(wire(digest))
  expect(assign).toMatchObject({ instanceName: 'main', digestFunction: 1, inlineStdout: true, inlineStderr: false })
  expect(assign.inlineOutputFiles).toEqual(['out'])
  expect(assign.timeout?.seconds).toBe(7)
  expect(Buffer.from(assign.action ?? []).equals(Buffer.from(await world.cas.readBlob(digest)))).toBe(true)
  worker.finish(assign.leaseId ?? '', { stdoutRaw: Buffer.from('hello') })
  const response = await stream.response()
  expect(response.result?.exitCode).toBe(0)
  expect(Buffer.from(response.result?.stdoutRaw ?? []).toString()).toBe('hello')
  expect(response.cachedResult).toBe(false)
  expect(response.message).toContain('ran on w1')
})

test('rule 34: an unknown instance is INVALID_ARGUMENT', async () => {
  const world = createWorld()
  const error = await errorOf(world.execute(await world.action(), { instanceName: 'moon-outputs' }).rest())
  expect(error.code).toBe(Code.INVALID_ARGUMENT)
  expect(error.message).toContain('moon-outputs')
})

describe('rule 24: what an action fails with', () => {
  test('a non-zero exit code is a result with the status OK', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    worker.finish((await worker.assigned()).leaseId ?? '', { exitCode: 3 })
    const response = await stream.response()
    expect(response.status?.code ?? Code.OK).toBe(Code.OK)
    expect(response.result?.exitCode).toBe(3)
  })

  test('a worker’s answer without result and failure is INTERNAL', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    worker.say({ finished: { leaseId: (await worker.assigned()).leaseId ?? '' } })
    expect((await stream.response()).status?.code).toBe(Code.INTERNAL)
  })

  test('before an operation, it is the status of the call', async () => {
    const world = createWorld()
    const error = await errorOf(world.execute(await world.put(Buffer.from('\xff\xff no Action', 'latin1'))).rest())
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
  })

  test('afterwards it stands in ExecuteResponse.status', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    worker.fail((await worker.assigned()).leaseId ?? '', Code.FAILED_PRECONDITION, 'a directory where a file was due')
    const last = (await stream.rest()).at(-1)
    expect(last?.response?.status).toMatchObject({ code: Code.FAILED_PRECONDITION })
    expect(last?.raw.error ?? null).toBeNull()
  })
})

test('rule 27: every stream ends with the message that says COMPLETED and done', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const stream = world.execute(await world.action())
  worker.finish((await worker.assigned()).leaseId ?? '')
  const all = await stream.rest()
  expect(all.map(({ done }) => done)).toEqual([...all.slice(1).map(() => false), true])
  expect(all.at(-1)?.metadata.stage).toBe(completed)
  expect(new Set(all.map(({ name }) => name)).size).toBe(1)
})

describe('rule 28: WaitExecution', () => {
  test('sends the current state at once, follows, and works after the end', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const name = (await stream.next())?.name ?? ''
    const assign = await worker.assigned()
    const waiting = world.wait(name)
    expect((await waiting.next())?.metadata.stage).toBe(executing)
    stream.cancel()
    worker.finish(assign.leaseId ?? '', { exitCode: 5 })
    expect((await waiting.response()).result?.exitCode).toBe(5)
    const late = await world.wait(name).rest()
    expect(late.map(({ done }) => done)).toEqual([true])
  })

  test('an unknown name is NOT_FOUND, and so is one of an earlier run of the scheduler', async () => {
    const before = createWorld()
    await connectWorker(before.channel)
    const name = (await before.execute(await before.action()).next())?.name ?? ''
    const after = createWorld()
    const error = await errorOf(after.wait(name).rest())
    expect(error.code).toBe(Code.NOT_FOUND)
    // Bazel comes here with its tries used up, by a scheduler that was away; this gives it new ones.
    expect(error.details.map((each) => each.type_url)).toEqual(['type.googleapis.com/google.rpc.RetryInfo'])
    expect((await errorOf(after.wait('operations/unknown').rest())).code).toBe(Code.NOT_FOUND)
  })

  test('ended operations are kept for a bounded time', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const name = (await stream.next())?.name ?? ''
    worker.finish((await worker.assigned()).leaseId ?? '')
    await stream.rest()
    world.clock.advance(11 * 60_000)
    expect((await errorOf(world.wait(name).rest())).code).toBe(Code.NOT_FOUND)
  })
})

describe('rule 29: cached_result', () => {
  test('is true for a real hit only, which needs no worker', async () => {
    const world = createWorld()
    const digest = await world.action()
    await world.results.update(digest, { exitCode: 0, executionMetadata: { worker: 'earlier' } })
    const [only, ...more] = await world.execute(digest).rest()
    expect(more).toEqual([])
    expect(only?.done).toBe(true)
    expect(only?.response?.cachedResult).toBe(true)
    expect(only?.response?.result?.executionMetadata?.worker).toBe('earlier')
  })

  test('a result that a worker has made is cached for the next one', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { name: 'w1' })
    const digest = await world.action()
    const stream = world.execute(digest)
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await stream.response()).cachedResult).toBe(false)
    const again = await world.execute(digest).response()
    expect(again.cachedResult).toBe(true)
    // Rule 21: never the empty message.
    expect(again.result?.executionMetadata?.worker).toBe('w1')
  })

  test('rule 23: neither a non-zero exit nor a failure is stored', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const failing = await world.action({ argument: 'exit 1' })
    const broken = await world.action({ argument: 'broken' })
    const first = world.execute(failing)
    worker.finish((await worker.assigned()).leaseId ?? '', { exitCode: 1 })
    await first.rest()
    const second = world.execute(broken)
    worker.fail((await worker.assigned()).leaseId ?? '', Code.INTERNAL, 'broken')
    await second.rest()
    expect(await world.results.get(failing)).toBeUndefined()
    expect(await world.results.get(broken)).toBeUndefined()
  })

  test('a result that cannot be stored is delivered all the same', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const digest = await world.action()
    const stream = world.execute(digest)
    // The cache refuses a result whose blobs it lacks.
    const absent = { hash: 'a'.repeat(64), sizeBytes: 9 }
    worker.finish((await worker.assigned()).leaseId ?? '', { outputFiles: [{ path: 'out', digest: absent }] })
    expect((await stream.response()).result?.outputFiles?.[0]?.path).toBe('out')
    expect(await world.results.get(digest)).toBeUndefined()
  })

  test('what was inlined for one client is not stored for all', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const digest = await world.action()
    const stdout = Buffer.from('printed')
    const stdoutDigest = wire(await world.put(stdout))
    const stream = world.execute(digest, { inlineStdout: true })
    worker.finish((await worker.assigned()).leaseId ?? '', { stdoutRaw: stdout, stdoutDigest })
    expect((await stream.response()).result?.stdoutRaw?.length).toBe(stdout.length)
    expect((await world.results.get(digest))?.stdoutRaw?.length ?? 0).toBe(0)
  })
})

describe('rule 30: skip_cache_lookup and do_not_cache', () => {
  test('skip_cache_lookup runs again and overwrites what is cached', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { name: 'w2' })
    const digest = await world.action()
    await world.results.update(digest, { executionMetadata: { worker: 'earlier' } })
    const stream = world.execute(digest, { skipCacheLookup: true })
    worker.finish((await worker.assigned()).leaseId ?? '')
    expect((await stream.response()).cachedResult).toBe(false)
    expect((await world.results.get(digest))?.executionMetadata?.worker).toBe('w2')
  })

  test('skip_cache_lookup may join an action that runs', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { slots: 2 })
    const digest = await world.action()
    const first = world.execute(digest)
    const assign = await worker.assigned()
    const second = world.execute(digest, { skipCacheLookup: true })
    expect((await second.next())?.metadata.stage).toBe(executing)
    worker.finish(assign.leaseId ?? '')
    expect((await first.response()).result?.exitCode).toBe(0)
    expect((await second.response()).result?.exitCode).toBe(0)
  })

  test('skip_cache_lookup does not join one that has run and is only being stored', async () => {
    const storing = Promise.withResolvers<void>()
    const stored = Promise.withResolvers<void>()
    const world = createWorld({}, (cas) => ({
      ...cas,
      async unary(method, request, options) {
        if (method.endsWith('/UpdateActionResult')) {
          storing.resolve()
          await stored.promise
        }
        return cas.unary(method, request, options)
      },
    }))
    const worker = await connectWorker(world.channel)
    const digest = await world.action()
    const first = world.execute(digest)
    worker.finish((await worker.assigned()).leaseId ?? '', { stdoutRaw: Buffer.from('before') })
    await storing.promise
    const second = world.execute(digest, { skipCacheLookup: true })
    worker.finish((await worker.assigned()).leaseId ?? '', { stdoutRaw: Buffer.from('after') })
    stored.resolve()
    const text = async (stream: typeof first) =>
      Buffer.from((await stream.response()).result?.stdoutRaw ?? []).toString()
    expect([await text(first), await text(second)]).toEqual(['before', 'after'])
  })

  test('do_not_cache: neither taken from the cache, nor stored, nor merged', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { slots: 2 })
    const digest = await world.action({ doNotCache: true })
    await world.results.update(digest, { executionMetadata: { worker: 'somebody' } })
    const first = world.execute(digest)
    const second = world.execute(digest)
    const leases = [await worker.assigned(), await worker.assigned()].map(({ leaseId }) => leaseId ?? '')
    expect(new Set(leases).size).toBe(2)
    leases.forEach((lease, i) => {
      worker.finish(lease, { exitCode: 0, stdoutRaw: Buffer.from(String(i)) })
    })
    for (const response of [await first.response(), await second.response()]) expect(response.cachedResult).toBe(false)
    expect((await world.results.get(digest))?.executionMetadata?.worker).toBe('somebody')
  })
})

describe('identical actions in flight', () => {
  test('run once, for each client under an operation of its own', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { slots: 3 })
    const digest = await world.action()
    const streams = [world.execute(digest), world.execute(digest), world.execute(digest)]
    const names = new Set<string | undefined>()
    for (const stream of streams) names.add((await stream.next())?.name)
    expect(names.size).toBe(3)
    worker.finish((await worker.assigned()).leaseId ?? '', { exitCode: 7 })
    for (const stream of streams) expect((await stream.response()).result?.exitCode).toBe(7)
    expect(world.scheduler.snapshot().workers[0]?.busy).toBe(0)
  })

  test('take the most urgent priority and all that is wanted inline, while they wait', async () => {
    const world = createWorld()
    const urgent = await world.action({ argument: 'urgent' })
    const other = await world.action({ argument: 'other' })
    await world.execute(urgent, { executionPolicy: { priority: 9 } }).next()
    await world.execute(other, { executionPolicy: { priority: 5 } }).next()
    await world.execute(urgent, { executionPolicy: { priority: -1 }, inlineStderr: true }).next()
    const worker = await connectWorker(world.channel)
    const assign = await worker.assigned()
    expect(assign.actionDigest).toMatchObject(wire(urgent))
    expect(assign.inlineStderr).toBe(true)
  })
})

describe('rule 31: time-outs', () => {
  test('more than the server allows is INVALID_ARGUMENT', async () => {
    const world = createWorld({ timeouts: { defaultMs: 1_000, maxMs: 60_000 } })
    await connectWorker(world.channel)
    const error = await errorOf(world.execute(await world.action({ timeout: { seconds: 61 } })).rest())
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(error.message).toContain('61 s')
  })

  test('none means the default', async () => {
    const world = createWorld({ timeouts: { defaultMs: 90_000, maxMs: 100_000 } })
    const worker = await connectWorker(world.channel)
    await world.execute(await world.action()).next()
    expect((await worker.assigned()).timeout?.seconds).toBe(90)
  })

  test('DEADLINE_EXCEEDED comes through with the partial result, and is not stored', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const digest = await world.action()
    const stream = world.execute(digest)
    const { leaseId } = await worker.assigned()
    worker.say({
      finished: {
        leaseId: leaseId ?? '',
        response: { status: { code: Code.DEADLINE_EXCEEDED }, result: { stdoutRaw: Buffer.from('part') } },
      },
    })
    const response = await stream.response()
    expect(response.status?.code).toBe(Code.DEADLINE_EXCEEDED)
    expect(Buffer.from(response.result?.stdoutRaw ?? []).toString()).toBe('part')
    expect(await world.results.get(digest)).toBeUndefined()
  })
})

test('rule 33: the lower priority value runs first', async () => {
  const world = createWorld()
  const priorities = [0, 10, -10, 5, 0]
  const digests = await Promise.all(priorities.map((_, i) => world.action({ argument: String(i) })))
  for (const [i, digest] of digests.entries())
    await world.execute(digest, { executionPolicy: { priority: priorities[i] ?? 0 } }).next()
  const worker = await connectWorker(world.channel)
  const order: number[] = []
  for (let i = 0; i < priorities.length; i += 1) {
    const { leaseId, actionDigest } = await worker.assigned()
    order.push(digests.findIndex(({ hash }) => hash === actionDigest?.hash))
    worker.finish(leaseId ?? '')
  }
  expect(order).toEqual([2, 0, 4, 3, 1])
})

test('a stream hears of its operation at least every updateEveryMs', async () => {
  const world = createWorld({ updateEveryMs: 20_000, workerWaitMs: 600_000 })
  const stream = world.execute(await world.action())
  expect((await stream.next())?.metadata.stage).toBe(queued)
  for (let i = 0; i < 3; i += 1) {
    world.clock.advance(20_000)
    expect((await stream.next())?.metadata.stage).toBe(queued)
  }
})

test('the operation says who runs the action and since when it was queued', async () => {
  const world = createWorld()
  await connectWorker(world.channel, { name: 'w7' })
  const first = await world.execute(await world.action()).next()
  expect(first?.metadata.partialExecutionMetadata?.worker).toBe('w7')
  expect(first?.metadata.partialExecutionMetadata?.queuedTimestamp?.seconds).toBe(world.clock.now() / 1000)
})

test.each([
  ['of actions', { queueMax: 1 }, '1 actions wait'],
  ['of bytes', { queueBytesMax: 10_000 }, '1 actions in flight take 0 MiB'],
])('rule 44: a queue that is full %s is RESOURCE_EXHAUSTED with a RetryInfo (Q1)', async (_, bound, why) => {
  const world = createWorld(bound)
  await world.execute(await world.action({ argument: '1' })).next()
  const error = await errorOf(world.execute(await world.action({ argument: '2' })).rest())
  expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, message: expect.stringContaining(why) })
  const [detail] = error.details
  expect(detail?.type_url).toContain('google.rpc.RetryInfo')
  expect(rpc.RetryInfo.decode(detail?.value ?? new Uint8Array()).retryDelay?.seconds).toBeGreaterThan(0)
})

test('a queue that is full of bytes has room again when what filled it ends, is cancelled, or loses a client', async () => {
  // Room for one action with one client: about 11 KiB.
  const world = createWorld({ queueBytesMax: 10_000 })
  const [first, second] = [await world.action({ argument: '1' }), await world.action({ argument: '2' })]
  const full = { code: Code.RESOURCE_EXHAUSTED }
  const one = world.execute(first)
  await one.next()
  // One more client of the same action takes room too.
  await expect(world.execute(first).rest()).rejects.toMatchObject(full)
  await expect(world.execute(second).rest()).rejects.toMatchObject(full)
  one.cancel()
  await vi.waitFor(() => expect(world.scheduler.snapshot().operations).toEqual([]), 20_000)
  const two = world.execute(second)
  await two.next()
  await expect(world.execute(first).rest()).rejects.toMatchObject(full)
  const worker = await connectWorker(world.channel)
  worker.finish((await worker.assigned()).leaseId ?? '')
  await two.response()
  expect((await world.execute(first).next())?.done).toBe(false)
})
