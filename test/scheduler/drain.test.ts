import { expect, test } from 'vitest'
import { rpc } from '../../src/wire/proto.ts'
import { Code, type RpcError } from '../../src/wire/rpc.ts'
import { errorOfStatus } from '../../src/wire/status.ts'
import { connectWorker, errorOf } from './worker.ts'
import { createWorld } from './world.ts'

function retryInfo(error: RpcError | undefined) {
  const detail = error?.details.find(({ type_url }) => type_url.endsWith('/google.rpc.RetryInfo'))
  return detail && rpc.RetryInfo.decode(detail.value)
}

test('rule 44: while draining, new actions are UNAVAILABLE with a RetryInfo; running ones finish', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const running = world.execute(await world.action({ argument: 'running' }))
  const { leaseId } = await worker.assigned()
  const waiting = world.execute(await world.action({ argument: 'waiting' }))
  await waiting.next()
  let drained = false
  const drain = world.scheduler.drain().then(() => {
    drained = true
  })
  const refused = await errorOf(world.execute(await world.action({ argument: 'new' })).rest())
  expect(refused.code).toBe(Code.UNAVAILABLE)
  expect(retryInfo(refused)).toBeDefined()
  const sentAway = errorOfStatus((await waiting.response()).status)
  expect(sentAway?.code).toBe(Code.UNAVAILABLE)
  expect(retryInfo(sentAway)).toBeDefined()
  expect(world.scheduler.snapshot().draining).toBe(true)
  expect(drained).toBe(false)
  worker.finish(leaseId ?? '', { exitCode: 3 })
  expect((await running.response()).result?.exitCode).toBe(3)
  await drain
})

test('draining with nothing in flight is over at once, and twice does no harm', async () => {
  const world = createWorld()
  await world.scheduler.drain()
  await world.scheduler.drain()
})

test('draining waits no longer than it is told to', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  await world.execute(await world.action()).next()
  await worker.assigned()
  const drain = world.scheduler.drain(5_000)
  world.clock.advance(5_000)
  await drain
  expect(world.scheduler.snapshot().executing).toBe(1)
})

test('close ends every operation and dismisses every worker', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const running = world.execute(await world.action({ argument: '1' }))
  const waiting = world.execute(await world.action({ argument: '2' }))
  await worker.assigned()
  await waiting.next()
  world.scheduler.close()
  expect((await running.response()).status?.code).toBe(Code.UNAVAILABLE)
  expect((await waiting.response()).status?.code).toBe(Code.UNAVAILABLE)
  const left = async () => {
    for (let message = await worker.hear(); message; message = await worker.hear());
  }
  expect((await errorOf(left())).code).toBe(Code.UNAVAILABLE)
})
