import { existsSync } from 'node:fs'
import type { ClientHttp2Session } from 'node:http2'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import type { Digest } from '../../src/core/digest.ts'
import { bytestream, longrunning, re, workerApi } from '../../src/wire/proto.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import {
  batchUpdate,
  blobName,
  noise,
  readAll,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from '../cache/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { createServerPlace, expectSound, type ServerPlace, type TestServer } from '../fixture/servers.ts'
import { openWorker } from '../scheduler/worker.ts'
import { frame, grpcHeaders, rawSession } from '../wire/raw-client.ts'

/** MiB at the worst: 256 of answers that wait, twice, and what thousands of operations take. */
const memoryMbMax = 1_000
const huge = blobOf(Buffer.concat([noise(1_000_000), Buffer.alloc(59_000_000, 'y')]))
const execution = 'build.bazel.remote.execution.v2.Execution'

describe('a scheduler and a worker under attack', () => {
  let place: ServerPlace
  let cas: TestServer
  let scheduler: TestServer
  let worker: TestServer
  const sessions: ClientHttp2Session[] = []

  beforeAll(async () => {
    place = createServerPlace()
    cas = await place.start('cas', { store: { kind: 'disk', path: join(place.folder, 'store'), size: '2GB' } })
    scheduler = await place.start('scheduler', { cas: `grpc://${cas.address}`, worker_wait: '5s', queue_max: 500 })
    worker = await place.start('worker', {
      cas: `grpc://${cas.address}`,
      scheduler: `grpc://${scheduler.address}`,
      slots: 2,
      directory: join(place.folder, 'worker'),
    })
    await writeMessages(cas.channel, writeRequests(uploadName(huge.digest), huge.bytes, 1024 * 1024))
    expect(await run({ arguments: ['/bin/true'] })).toMatchObject({ code: Code.OK, exitCode: 0 })
  })
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.destroy()
    const said = await run({ arguments: ['/bin/echo', 'still here'] })
    expect(said).toMatchObject({ code: Code.OK, exitCode: 0 })
    for (const server of [cas, scheduler, worker]) expectSound(server, memoryMbMax)
  })
  afterAll(() => place.dispose())

  async function put(bytes: Uint8Array): Promise<Digest> {
    const blob = blobOf(bytes)
    await batchUpdate(cas.channel, { requests: [{ digest: wire(blob.digest), data: blob.bytes }] })
    return blob.digest
  }

  async function action(command: re.Command.$Properties, root: re.Directory.$Properties = {}): Promise<Digest> {
    const commandDigest = wire(await put(re.Command.encode(command).finish()))
    const inputRootDigest = wire(await put(re.Directory.encode(root).finish()))
    return put(re.Action.encode({ commandDigest, inputRootDigest, doNotCache: true }).finish())
  }

  /** How an action ends: the call's own status, or that of its response. */
  async function run(command: re.Command.$Properties, root: re.Directory.$Properties = {}) {
    const request = re.ExecuteRequest.encode({ actionDigest: wire(await action(command, root)) }).finish()
    return execute(request)
  }

  async function execute(request: Uint8Array): Promise<{ code: number; exitCode: number | undefined }> {
    let last: longrunning.Operation | undefined
    try {
      for await (const message of scheduler.channel.serverStream(`${execution}/Execute`, request))
        last = longrunning.Operation.decode(message)
    } catch (error) {
      if (error instanceof RpcError) return { code: error.code, exitCode: undefined }
      throw error
    }
    const response = re.ExecuteResponse.decode(last?.response?.value ?? new Uint8Array())
    return { code: response.status?.code ?? Code.OK, exitCode: response.result?.exitCode ?? undefined }
  }

  const leaf = blobOf('leaf')
  const file = (name: string) => ({ name, digest: wire(leaf.digest) })
  test.each([
    { files: [file('..')] },
    { files: [file('.')] },
    { files: [file('')] },
    { files: [file('../../escape')] },
    { files: [file('/tmp/escape')] },
    { files: [file('a\0b')] },
    { files: [file('b'), file('a')] },
    { files: [file('a'), file('a')] },
    { files: [file('a')], symlinks: [{ name: 'a', target: 'x' }] },
    { symlinks: [{ name: 'x', target: '' }] },
    { directories: [{ name: '..', digest: wire(leaf.digest) }] },
    { files: [{ name: 'a', digest: { hash: '../x', sizeBytes: 1 } }] },
  ])('rule 39: an input root that is hostile is INVALID_ARGUMENT: %j', async (root) => {
    await put(leaf.bytes)
    expect((await run({ arguments: ['/bin/true'] }, root)).code).toBe(Code.INVALID_ARGUMENT)
  })

  test.each([
    { outputPaths: ['../escape'] },
    { outputPaths: ['/tmp/native-escape'] },
    { outputPaths: ['a/../../escape'] },
    { outputPaths: ['a\0b'] },
    { outputPaths: ['a//b'] },
    { outputFiles: ['../escape'] },
    { outputDirectories: ['../../escape'] },
    { workingDirectory: '../..' },
    { workingDirectory: '/tmp' },
  ])('outputs and working directories that lead out are INVALID_ARGUMENT: %j', async (paths) => {
    expect((await run({ arguments: ['/bin/true'], ...paths })).code).toBe(Code.INVALID_ARGUMENT)
    expect(existsSync('/tmp/native-escape')).toBe(false)
  })

  test('a symlink among the inputs leads no output out of the input root', async () => {
    const root = { symlinks: [{ name: 'out', target: '/tmp' }] }
    const said = await run({ arguments: ['/bin/sh', '-c', 'true'], outputPaths: ['out/native-escape/x'] }, root)
    expect([Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION]).toContain(said.code)
    expect(existsSync('/tmp/native-escape')).toBe(false)
  })

  test('a program that is not there, and one without a name, are INVALID_ARGUMENT or an exit code, never a crash', async () => {
    for (const args of [[], [''], ['/no/such/program'], ['a\0b'], ['..']]) {
      const said = await run({ arguments: args })
      expect(said.code === Code.OK ? said.exitCode : said.code).not.toBe(0)
      expect([Code.INTERNAL, Code.UNKNOWN]).not.toContain(said.code)
    }
    const said = await run({ arguments: ['/bin/true'], environmentVariables: [{ name: 'A=B\0', value: 'x' }] })
    expect([Code.INTERNAL, Code.UNKNOWN]).not.toContain(said.code)
  })

  test('rubbish where an Action, a Command or a Directory is due is INVALID_ARGUMENT', async () => {
    const rubbish = await put(Buffer.alloc(100, 0xff))
    const request = (digest: Digest) => re.ExecuteRequest.encode({ actionDigest: wire(digest) }).finish()
    expect((await execute(Buffer.alloc(20, 0xff))).code).toBe(Code.INVALID_ARGUMENT)
    expect((await execute(request(rubbish))).code).toBe(Code.INVALID_ARGUMENT)
    const sound = await put(re.Command.encode({ arguments: ['/bin/true'] }).finish())
    for (const [commandDigest, inputRootDigest] of [
      [rubbish, await put(new Uint8Array())],
      [sound, rubbish],
    ] as const) {
      const bytes = re.Action.encode({ commandDigest: wire(commandDigest), inputRootDigest: wire(inputRootDigest) })
      expect((await execute(request(await put(bytes.finish())))).code).toBe(Code.INVALID_ARGUMENT)
    }
  })

  test('workers that send rubbish, nothing, or lies are sent away', async () => {
    for (const bytes of [Buffer.alloc(30, 0xff), Buffer.from([0x0a, 0x7f]), Buffer.alloc(0)]) {
      const bad = openWorker(scheduler.channel)
      bad.sayBytes(bytes)
      await expect(bad.hear()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    }
    for (const hello of [
      { worker: '', slots: 1 },
      { worker: 'x', slots: 0 },
      { worker: 'x', slots: 2 ** 31 - 1 },
    ]) {
      const bad = openWorker(scheduler.channel)
      bad.say({ hello })
      await expect(bad.hear()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    }
    const liar = openWorker(scheduler.channel)
    liar.say({ hello: { worker: 'liar', slots: 1, properties: [{ name: 'only', value: 'liar' }] } })
    expect((await liar.hear())?.welcome).toBeTruthy()
    for (let i = 0; i < 2_000; i += 1) {
      liar.say({ finished: { leaseId: `no such lease ${i}`, response: {} } })
      liar.say({ output: { leaseId: 'none', data: Buffer.alloc(1000) } })
    }
    liar.sayBytes(Buffer.concat([workerApi.FromWorker.encode({ renew: {} }).finish(), Buffer.from([0xff])]))
    await expect(liar.hear()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
  })

  test('1,500 Execute streams at once: the queue is bounded, the rest hears when to come back', async () => {
    const session = await rawSession(scheduler.address)
    sessions.push(session)
    const digest = await action({ arguments: ['/bin/sleep', '600'] })
    const message = frame(re.ExecuteRequest.encode({ actionDigest: wire(digest) }).finish())
    const codes = new Map<string, number>()
    const refused = Promise.withResolvers<void>()
    for (let i = 0; i < 1_500; i += 1) {
      const stream = session.request({ ...grpcHeaders, ':path': `/${execution}/Execute` })
      stream.on('error', () => undefined)
      const look = (fields: { 'grpc-status'?: string }) => {
        const code = fields['grpc-status']
        if (code === undefined) return
        codes.set(code, (codes.get(code) ?? 0) + 1)
        // Two run, 500 wait.
        if ((codes.get(String(Code.RESOURCE_EXHAUSTED)) ?? 0) >= 998) refused.resolve()
      }
      stream.on('response', look)
      stream.on('trailers', look)
      stream.resume()
      stream.end(message)
    }
    await refused.promise
    expect([...codes.keys()]).toEqual([String(Code.RESOURCE_EXHAUSTED)])
    await cancelAll()
  })

  async function cancelAll(): Promise<void> {
    for (;;) {
      const list = longrunning.ListOperationsRequest.encode({ pageSize: 1000 }).finish()
      const answer = longrunning.ListOperationsResponse.decode(
        await scheduler.channel.unary('google.longrunning.Operations/ListOperations', list),
      )
      const open = answer.operations.filter(({ done }) => !done)
      if (open.length === 0 && answer.nextPageToken === '') return
      await Promise.all(
        open.map(({ name }) =>
          scheduler.channel.unary(
            'google.longrunning.Operations/CancelOperation',
            longrunning.CancelOperationRequest.encode({ name: name ?? '' }).finish(),
          ),
        ),
      )
      if (open.length === 0) return
    }
  }

  test('clients that stop reading through the scheduler do not hold up the others', async () => {
    for (let i = 0; i < 3; i += 1) {
      const session = await rawSession(scheduler.address)
      sessions.push(session)
      const request = frame(bytestream.ReadRequest.encode({ resourceName: blobName(huge.digest) }).finish())
      for (let each = 0; each < 300; each += 1) {
        const stream = session.request({ ...grpcHeaders, ':path': '/google.bytestream.ByteStream/Read' })
        stream.on('error', () => undefined)
        stream.pause()
        stream.end(request)
        if (each === 0) await new Promise((resolve) => stream.once('response', resolve))
      }
    }
    expect(blobOf(await readAll(scheduler.channel, blobName(huge.digest))).digest).toEqual(huge.digest)
    expect(await createCasClient(scheduler.channel).findMissing([huge.digest])).toEqual([])
  })
})
