import { readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { openBuildHistory } from '../../src/client/build-history.ts'
import { requestMetadata } from '../../src/client/request-metadata.ts'
import { runRemotely } from '../../src/client/run.ts'
import type { BuildRecord } from '../../src/core/build-history.ts'
import { consoleApi } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { freePort } from '../fixture/peers.ts'
import { createServerPlace, expectSound, type ServerPlace, type TestServer } from '../fixture/servers.ts'
import { canMount, tmpfs } from '../fixture/tmpfs.ts'

const request = { env: { PATH: '/usr/bin:/bin' }, outputPaths: [], properties: [], doNotCache: false }

/** A cluster of single servers, whose console has its own address. */
async function startAll(place: ServerPlace, consolePort: number, path: string) {
  const told = { console: `grpc://127.0.0.1:${consolePort}` }
  const cas = await place.start('cas', { store: { kind: 'memory', size: '256MB' }, ...told })
  const url = `grpc://${cas.address}`
  const scheduler = await place.start('scheduler', { cas: url, ...told })
  const directory = join(place.folder, 'worker')
  await place.start('worker', { scheduler: `grpc://${scheduler.address}`, cas: url, directory, name: 'w1', slots: 2 })
  await eventually(
    async () => scheduler.log(),
    (log) => log.includes('worker joined'),
  )
  const startConsole = () => place.start('console', { listen: `127.0.0.1:${consolePort}`, cas: url, path })
  const run = (invocation: string, script: string, skipCacheLookup = false) =>
    runRemotely(cas.channel, scheduler.channel, {
      ...request,
      argv: ['/bin/sh', '-c', script],
      skipCacheLookup,
      metadata: requestMetadata({ tool: 'make', toolVersion: '9', invocation, mnemonic: 'Sh' }),
    })
  return { cas, scheduler, startConsole, run }
}

async function buildOf({ channel }: TestServer, id: string, wanted: (build: BuildRecord) => boolean) {
  const history = openBuildHistory(channel)
  const found = await eventually(
    () => history.builds({ limit: 10, idPrefix: id }),
    ([build]) => build !== undefined && wanted(build),
  )
  return found[0]
}

describe('a console', () => {
  let place: ServerPlace
  let servers: Awaited<ReturnType<typeof startAll>>
  let console: TestServer
  beforeAll(async () => {
    place = createServerPlace()
    servers = await startAll(place, await freePort(), join(place.folder, 'history'))
    console = await servers.startConsole()
  })
  afterAll(() => place.dispose())

  test('knows what a client ran, found, and asked for in vain', async () => {
    const { cas, run } = servers
    await run('first', 'echo once')
    await run('first', 'exit 3')
    await run('second', 'echo once')
    const metadata = requestMetadata({ tool: 'make', invocation: 'second' })
    await createActionsClient(cas.channel, { metadata }).get(blobOf('no such action').digest)
    expect(await buildOf(console, 'first', ({ actions }) => actions === 2)).toMatchObject({
      tool: 'make',
      toolVersion: '9',
      executed: 1,
      failed: 1,
      hits: 0,
    })
    expect(await buildOf(console, 'second', ({ actions }) => actions === 2)).toMatchObject({ hits: 1, missed: 1 })
  })

  test('that is killed holds up nobody, and hears what happened meanwhile when it is back', async () => {
    const { cas, scheduler, run, startConsole } = servers
    const building = Promise.all(Array.from({ length: 8 }, (_, at) => run('third', `sleep 0.2; echo ${at}`)))
    process.kill(console.pid, 'SIGKILL')
    expect((await building).map(({ exitCode }) => exitCode)).toEqual(Array(8).fill(0))
    await run('fourth', 'echo away')
    console = await startConsole()
    expect(await buildOf(console, 'third', ({ executed }) => executed === 8)).toMatchObject({ actions: 8, dropped: 0 })
    await buildOf(console, 'fourth', ({ actions }) => actions === 1)
    // What it knew before is there, and counted once.
    expect(await buildOf(console, 'first', () => true)).toMatchObject({ actions: 2, executed: 1, failed: 1 })
    for (const each of [cas, scheduler, console]) expectSound(each, 400)
  })

  test('whose database is torn begins a new one, and nobody waits for it', async () => {
    const { run, startConsole } = servers
    process.kill(console.pid, 'SIGKILL')
    await eventually(
      async () => console.running(),
      (running) => !running,
    )
    const file = join(place.folder, 'history/history.db')
    // Its log has what is not in it yet, which would mend it.
    await truncate(`${file}-wal`)
    await writeFile(file, 'torn '.repeat(10_000))
    const building = Promise.all(Array.from({ length: 8 }, (_, at) => run('torn', `sleep 0.1; echo ${at}`)))
    console = await startConsole()
    expect((await building).map(({ exitCode }) => exitCode)).toEqual(Array(8).fill(0))
    expect(await buildOf(console, 'torn', ({ executed }) => executed === 8)).toMatchObject({ actions: 8 })
    expect((await readdir(join(place.folder, 'history'))).join()).toContain('history.db.unusable-')
    expectSound(console, 400)
  })

  test('refuses what makes no sense, and goes on', async () => {
    const call = (bytes: Uint8Array) => console.channel.unary('native.console.v1.Recorder/Record', bytes)
    await expect(call(new Uint8Array([255, 255, 255]))).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    await expect(call(new Uint8Array())).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    const events = [{ at: 1, actionDigest: { hash: 'short', sizeBytes: 1 }, lookup: {} }]
    await call(consoleApi.RecordRequest.encode({ run: new Uint8Array(4), sequence: 1, events }).finish())
    const history = (method: string, bytes: Uint8Array) =>
      console.channel.unary(`native.console.v1.History/${method}`, bytes)
    const limit = consoleApi.ListBuildsRequest.encode({ limit: -1 }).finish()
    await expect(history('ListBuilds', limit)).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    const digest = { hash: blobOf('nowhere').digest.hash, sizeBytes: 7 }
    const blob = consoleApi.GetBlobRequest.encode({ digest }).finish()
    await expect(history('GetBlob', blob)).rejects.toMatchObject({ code: Code.NOT_FOUND })
    expectSound(console, 400)
  })
})

describe.skipIf(!canMount)('a console whose disk is full', () => {
  let place: ServerPlace
  let disk: ReturnType<typeof tmpfs>
  beforeAll(() => {
    place = createServerPlace()
    disk = tmpfs(512 * 1024)
  })
  afterAll(async () => {
    await place.dispose()
    disk.remove()
  })

  test('goes on answering, and so do those who tell it', async () => {
    const { cas, run, startConsole } = await startAll(place, await freePort(), join(disk.path, 'history'))
    const console = await startConsole()
    await run('first', 'echo before')
    await buildOf(console, 'first', ({ actions }) => actions === 1)
    const metadata = requestMetadata({ tool: 'make', invocation: 'large' })
    const actions = createActionsClient(cas.channel, { metadata })
    for (let at = 0; at < 3_000; at += 1) await actions.get(blobOf(`${at}`).digest)
    await eventually(
      async () => cas.log(),
      (log) => log.includes('cannot be reported to the console'),
    )
    expect((await run('after', 'echo after')).exitCode).toBe(0)
    expect(await buildOf(console, 'first', () => true)).toMatchObject({ actions: 1 })
    for (const each of [cas, console]) expectSound(each, 400)
  })
})
