import { expect, test } from 'vitest'
import { largerPlatform } from '../../src/scheduler/larger.ts'
import { offerOf, platformOf } from '../../src/scheduler/match.ts'
import { Code } from '../../src/wire/rpc.ts'
import { connectWorker, type ScriptedWorker } from './worker.ts'
import { createWorld, type World } from './world.ts'

const mebibyte = 2 ** 20
const small = 64 * mebibyte

/** A worker whose actions may have so many MiB. */
function sized(world: World, name: string, mebibytes: number): Promise<ScriptedWorker> {
  return connectWorker(world.channel, { name, limits: [['memory', String(mebibytes * mebibyte)]] })
}

/** Lets a worker answer that its action was killed for memory. */
async function kill(worker: ScriptedWorker, limit = small): Promise<void> {
  const { leaseId = '' } = await worker.assigned()
  const response = { result: { exitCode: 137 }, message: 'the action took more memory than its limit' }
  worker.say({ finished: { leaseId, response, killedAtMemory: limit } })
}

test('an action that was killed for memory runs once more on a larger worker, and its answer says so', async () => {
  const world = createWorld()
  const first = await sized(world, 'small', 64)
  const stream = world.execute(await world.action())
  await stream.next()
  const large = await sized(world, 'large', 512)
  await kill(first)
  const { leaseId = '' } = await large.assigned()
  expect(world.scheduler.snapshot().operations.map(({ why }) => why)).toEqual([
    'runs on large, a second time, where an action may have at least 128 MiB: small killed it for more than 64 MiB of memory',
  ])
  large.finish(leaseId ?? '')
  const { result, message } = await stream.response()
  expect(result).toMatchObject({ exitCode: 0, executionMetadata: { worker: 'large' } })
  expect(message).toMatch(
    /^ran on large after .*, a second time, .* at least 128 MiB: small killed it for more than 64 MiB of memory$/,
  )
})

test('one that is killed there as well has its answer, and does not run a third time', async () => {
  const world = createWorld()
  const first = await sized(world, 'small', 64)
  const stream = world.execute(await world.action())
  await stream.next()
  const large = await sized(world, 'large', 128)
  await sized(world, 'larger', 4096)
  await kill(first)
  await kill(large, 128 * mebibyte)
  const { result, message } = await stream.response()
  expect(result?.exitCode).toBe(137)
  expect(message).toMatch(/^the action took more memory than its limit\nran on large .*a second time/)
})

test('without a larger worker the answer is the one of the worker that killed it', async () => {
  const world = createWorld()
  const first = await sized(world, 'one', 64)
  await sized(world, 'other', 64)
  const stream = world.execute(await world.action())
  await kill(first)
  const { result, message } = await stream.response()
  expect(result?.exitCode).toBe(137)
  expect(message).toMatch(/^the action took more memory than its limit\nran on one after \d+ ms in the queue$/)
})

test('an action that waits for the larger worker says so, and has its first answer if that leaves for good', async () => {
  const world = createWorld({ workerWaitMs: 10_000 })
  const first = await sized(world, 'small', 64)
  const stream = world.execute(await world.action())
  await stream.next()
  const large = await sized(world, 'large', 128)
  const other = world.execute(await world.action({ argument: 'other' }))
  await other.next()
  await large.assigned()
  await kill(first)
  await stream.next()
  expect(world.scheduler.snapshot().operations[0]?.why).toBe(
    'waits for a free slot (1 slot on 1 worker); it is to run a second time, where an action may have at least 128 MiB: small killed it for more than 64 MiB of memory',
  )
  large.die()
  await other.next()
  world.clock.advance(11_000)
  const { result, message, status } = await stream.response()
  expect([status?.code ?? Code.OK, result?.exitCode]).toEqual([Code.OK, 137])
  expect(message).toMatch(/^the action took more memory than its limit\nran on small; no larger worker has run it: /)
})

test('a larger worker that is lost gives the action to another one of its size', async () => {
  const world = createWorld()
  const first = await sized(world, 'small', 64)
  const stream = world.execute(await world.action())
  await stream.next()
  const large = await sized(world, 'large', 128)
  const heir = await sized(world, 'heir', 128)
  await kill(first)
  await large.assigned()
  large.die()
  heir.finish((await heir.assigned()).leaseId ?? '')
  expect((await stream.response()).message).toMatch(/^ran on heir .*at attempt 2.*a second time/)
})

test('a larger worker lets an action have more, and offers what it asks for', () => {
  const memory = (value: string) => [{ name: 'memory', value }]
  const asks = platformOf([{ name: 'OSFamily', value: 'linux' }])
  const offers = (mine: number, others: number) => [
    offerOf(asks.properties, memory(String(mine))),
    offerOf([], memory(String(others))),
  ]
  const asked = (each: ReturnType<typeof largerPlatform>) => each?.properties.find(({ name }) => name === 'memory')
  expect(asked(largerPlatform(asks, offers(small * 8, small * 16), small))?.value).toBe(String(small * 2))
  expect(asked(largerPlatform(asks, offers(small + 1, small * 16), small))?.value).toBe(String(small + 1))
  expect(largerPlatform(asks, offers(small, small * 16), small)).toBeUndefined()
  // Nothing says what such a worker has.
  expect(largerPlatform(asks, [offerOf(asks.properties)], small)).toBeUndefined()
  const own = platformOf([...asks.properties, ...memory('64MiB')])
  expect(largerPlatform(own, offers(small * 8, small * 16), small)).toBeUndefined()
})
