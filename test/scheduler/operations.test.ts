import { expect, test } from 'vitest'
import { digestText } from '../../src/core/digest.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { longrunning, re, workerApi } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { guardedServer, testDoor, testTokens } from '../access/fixture.ts'
import { connectWorker, errorOf } from './worker.ts'
import { createWorld, seen, type World, wire } from './world.ts'

const queued = 2

function call(world: World, method: string, request: Uint8Array): Promise<Buffer> {
  return world.channel.unary(`google.longrunning.Operations/${method}`, request)
}

function get(world: World, name: string) {
  return call(world, 'GetOperation', longrunning.GetOperationRequest.encode({ name }).finish()).then(seen)
}

function cancel(world: World, name: string) {
  return call(world, 'CancelOperation', longrunning.CancelOperationRequest.encode({ name }).finish())
}

async function page(world: World, pageToken: string, pageSize = 0, name = 'operations') {
  const request = longrunning.ListOperationsRequest.encode({ name, pageToken, pageSize }).finish()
  return longrunning.ListOperationsResponse.decode(await call(world, 'ListOperations', request))
}

test('GetOperation gives the state; an unknown name is NOT_FOUND', async () => {
  const world = createWorld()
  const name = (await world.execute(await world.action()).next())?.name ?? ''
  expect((await get(world, name)).metadata.stage).toBe(queued)
  expect((await errorOf(get(world, 'operations/none'))).code).toBe(Code.NOT_FOUND)
})

test('ListOperations pages through all of them in order, each once', async () => {
  const world = createWorld()
  const names: string[] = []
  for (let i = 0; i < 7; i += 1)
    names.push((await world.execute(await world.action({ argument: String(i) })).next())?.name ?? '')
  const listed: string[] = []
  let token = ''
  do {
    const answer = await page(world, token, 3)
    listed.push(...answer.operations.map(({ name }) => name ?? ''))
    token = answer.nextPageToken
  } while (token !== '')
  expect(listed).toEqual(names)
  expect((await errorOf(page(world, 'operations/none'))).code).toBe(Code.INVALID_ARGUMENT)
})

test('ListOperations names the instance, in each of the ways that clients write it', async () => {
  const world = createWorld()
  const { name } = (await world.execute(await world.action()).next()) ?? {}
  for (const collection of ['', 'operations', 'main', 'main/operations']) {
    const { operations } = await page(world, '', 0, collection)
    expect(operations.map((each) => each.name)).toEqual([name])
  }
  for (const collection of ['other/operations', 'main/operations/', 'main/blobs'])
    expect((await errorOf(page(world, '', 0, collection))).code).toBe(Code.INVALID_ARGUMENT)
})

test('CancelOperation of a waiting action takes it out of the queue', async () => {
  const world = createWorld()
  const stream = world.execute(await world.action())
  await cancel(world, (await stream.next())?.name ?? '')
  const response = await stream.response()
  expect(response.status?.code).toBe(Code.CANCELLED)
  expect(world.scheduler.snapshot()).toMatchObject({ queued: 0, operations: [] })
})

test('CancelOperation of a running action tells its worker, whose answer is then ignored', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const digest = await world.action()
  const stream = world.execute(digest)
  const name = (await stream.next())?.name ?? ''
  const { leaseId } = await worker.assigned()
  await cancel(world, name)
  expect((await worker.hear())?.cancel?.leaseId).toBe(leaseId)
  expect((await stream.response()).status?.code).toBe(Code.CANCELLED)
  worker.finish(leaseId ?? '')
  await cancel(world, name)
  expect((await get(world, name)).response?.status?.code).toBe(Code.CANCELLED)
  expect(await world.results.get(digest)).toBeUndefined()
})

test('cancelling one client’s operation leaves the others theirs', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const digest = await world.action()
  const [mine, theirs] = [world.execute(digest), world.execute(digest)]
  const name = (await mine.next())?.name ?? ''
  await theirs.next()
  await cancel(world, name)
  expect((await mine.response()).status?.code).toBe(Code.CANCELLED)
  worker.finish((await worker.assigned()).leaseId ?? '', { exitCode: 0 })
  expect((await theirs.response()).result?.exitCode).toBe(0)
})

test('DeleteOperation forgets one that is done and refuses one that is not', async () => {
  const world = createWorld()
  const stream = world.execute(await world.action())
  const name = (await stream.next())?.name ?? ''
  const remove = () => call(world, 'DeleteOperation', longrunning.DeleteOperationRequest.encode({ name }).finish())
  expect((await errorOf(remove())).code).toBe(Code.FAILED_PRECONDITION)
  await cancel(world, name)
  await remove()
  expect((await errorOf(get(world, name))).code).toBe(Code.NOT_FOUND)
})

test('WaitOperation answers when the operation is done, or when the time is over', async () => {
  const world = createWorld()
  const worker = await connectWorker(world.channel)
  const stream = world.execute(await world.action())
  const name = (await stream.next())?.name ?? ''
  const wait = (timeout?: { seconds: number }) =>
    call(world, 'WaitOperation', longrunning.WaitOperationRequest.encode({ name, timeout: timeout ?? null }).finish())
  const short = wait({ seconds: 5 })
  const long = wait()
  await new Promise((resolve) => setImmediate(resolve))
  world.clock.advance(5_000)
  expect(seen(await short).done).toBe(false)
  worker.finish((await worker.assigned()).leaseId ?? '')
  expect(seen(await long).done).toBe(true)
})

test('the snapshot and GetStatus tell who works, what waits, and why', async () => {
  const world = createWorld()
  await connectWorker(world.channel, { name: 'w1', properties: [['os', 'linux']] })
  const metadata = re.RequestMetadata.encode({
    toolDetails: { toolName: 'bazel', toolVersion: '7.7.1' },
    targetId: '//a:b',
    actionMnemonic: 'CppCompile',
  }).finish()
  const options = {
    metadata: {
      'build.bazel.remote.execution.v2.requestmetadata-bin': Buffer.from(metadata).toString('base64'),
    },
  }
  const first = await world.action({ argument: '1' })
  await world.execute(first, {}, options).next()
  await world.execute(await world.action({ argument: '2' }), { executionPolicy: { priority: 3 } }).next()
  const { workers, queues, operations, queued: waiting, executing } = world.scheduler.snapshot()
  expect(workers).toMatchObject([
    { name: 'w1', version: 'test', slots: 1, busy: 1, properties: [{ name: 'os', value: 'linux' }] },
  ])
  expect(queues).toEqual([{ properties: [], waiting: 1, workers: 1, slots: 1 }])
  expect({ waiting, executing }).toEqual({ waiting: 1, executing: 1 })
  expect(operations[0]).toMatchObject({
    stage: 'executing',
    worker: 'w1',
    tool: 'bazel 7.7.1',
    target: '//a:b',
    mnemonic: 'CppCompile',
    why: 'runs on w1',
  })
  expect(operations[1]).toMatchObject({ stage: 'queued', worker: '', priority: 3 })
  expect(operations[1]?.why).toBe('waits for a free slot (1 slot on 1 worker)')
  const status = workerApi.SchedulerStatus.decode(
    await world.channel.unary('native.worker.v1.Status/GetStatus', new Uint8Array()),
  )
  expect(status.workers?.[0]).toMatchObject({ name: 'w1', busy: 1 })
  expect(status.operations?.[0]).toMatchObject({ target: '//a:b', actionDigest: wire(first), stage: 3 })
})

test('GetStatus tells whoever is limited to instances of workers and queues, and not of what runs', async () => {
  const world = createWorld()
  await connectWorker(world.channel, { name: 'w1' })
  await world.execute(await world.action()).next()
  const { file, tokens } = await testTokens({ role: 'reader' }, { role: 'reader', instances: [''] })
  const { door } = await testDoor({ anonymous: 'none', tokens: file })
  const server = await guardedServer(world.scheduler.services, door)
  const seen = async (token = '') => {
    const channel = server.as(`Bearer ${token}`)
    const answer = await channel.unary('native.worker.v1.Status/GetStatus', new Uint8Array())
    const { workers, operations, executing } = workerApi.SchedulerStatus.decode(answer)
    return { workers: workers.map(({ name }) => name), operations: operations.length, executing }
  }
  const told = { workers: ['w1'], executing: 1 }
  expect(await seen(tokens[0])).toEqual({ ...told, operations: 1 })
  expect(await seen(tokens[1])).toEqual({ ...told, operations: 0 })
})

test('logs say for which target an action ran', async () => {
  const lines: object[] = []
  const log: Log = {
    debug: () => undefined,
    info: (message, fields) => lines.push({ message, ...fields }),
    warn: () => undefined,
    error: () => undefined,
    child: () => log,
  }
  const world = createWorld({ log })
  const worker = await connectWorker(world.channel)
  const metadata = Buffer.from(re.RequestMetadata.encode({ targetId: '//a:b' }).finish()).toString('base64')
  const digest = await world.action()
  const options = { metadata: { 'build.bazel.remote.execution.v2.requestmetadata-bin': metadata } }
  const stream = world.execute(digest, {}, options)
  worker.finish((await worker.assigned()).leaseId ?? '')
  await stream.rest()
  const done = { message: 'action done', target: '//a:b', action: digestText(digest), worker: 'w1', exitCode: 0 }
  expect(lines).toContainEqual(expect.objectContaining(done))
})

test('why an action waits without a worker that could take it', async () => {
  const world = createWorld()
  await world.execute(await world.action({ platform: [['os', 'linux']] })).next()
  expect(world.scheduler.snapshot().operations[0]?.why).toContain('os=linux; none is connected')
})
