import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { systemClock } from '../../src/core/clock.ts'
import { digestOf } from '../../src/core/hash.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import { type Channel, Code, type RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { seededBlob } from '../fixture/blob.ts'
import { connectWorker, errorOf } from './worker.ts'
import { actionBytes, createWorld, executeRequest, followed, type World, wire } from './world.ts'

let world: World
let server: RpcServer
let channel: Channel

beforeAll(async () => {
  world = createWorld({ clock: systemClock })
  server = await listen(world.scheduler.services, { address: '127.0.0.1:0' })
  channel = openChannel(`grpc://${server.address}`)
})

afterAll(async () => {
  channel.close()
  world.scheduler.close()
  await server.close()
})

test('over a real connection: an action runs, and its result is found the next time', async () => {
  const worker = await connectWorker(channel, { name: 'far' })
  const digest = await world.action({ argument: 'network' })
  const stream = followed(channel, 'Execute', executeRequest(digest, {}))
  const { leaseId } = await worker.assigned()
  worker.finish(leaseId ?? '', { exitCode: 0 })
  expect((await stream.response()).result?.executionMetadata?.worker).toBe('far')
  const again = await followed(channel, 'Execute', executeRequest(digest, {})).response()
  expect(again.cachedResult).toBe(true)
  worker.close()
})

test('rule 25 over a real connection: few violations come in the trailers, many in an operation', async () => {
  const lost = (text: string) => digestOf('sha256', Buffer.from(text))
  const root = lost('root')
  const few = await world.put(actionBytes({}, lost('command'), root))
  const error = await errorOf(followed(channel, 'Execute', executeRequest(few, {})).rest())
  expect(error.code).toBe(Code.FAILED_PRECONDITION)
  expect(error.details.length).toBe(1)
  const files = Array.from({ length: 2_000 }, (_, i) => ({
    name: `f${String(i).padStart(5, '0')}`,
    digest: wire(lost(`file ${i}`)),
  }))
  const many = await world.action({ root: await world.put(re.Directory.encode({ files }).finish()) })
  const response = await followed(channel, 'Execute', executeRequest(many, {})).response()
  expect(response.status?.code).toBe(Code.FAILED_PRECONDITION)
})

test('blobs go through to the cache and back', async () => {
  const cas = createCasClient(channel)
  const blobs = [seededBlob(11, 100), seededBlob(12, 6_000_000)]
  await cas.uploadMissing(blobs.map(({ digest, bytes }) => ({ digest, content: bytes })))
  for (const { digest, bytes } of blobs)
    expect(Buffer.from(await cas.readBlob(digest)).equals(Buffer.from(bytes))).toBe(true)
})
