import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { re, type workerApi } from '../../src/wire/proto.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { createRemover } from '../../src/worker/remover.ts'
import { makeWorkFolder } from '../../src/worker/work-folder.ts'
import { startWorker, type Worker } from '../../src/worker/worker.ts'
import { openRemote } from '../client/remote.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { processesNaming } from '../fixture/process.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { type Desk, openScheduler, type TestScheduler } from './scheduler.ts'
import { shell } from './worker-context.ts'

vi.setConfig({ testTimeout: 30_000 })

interface World {
  readonly scheduler: TestScheduler
  readonly worker: Worker
  readonly directory: string
  readonly metrics: ReturnType<typeof createMetrics>
  /** Has an action run, the storage holding what it needs. */
  assign(
    desk: Desk,
    leaseId: string,
    command: re.Command.$Properties,
    more?: workerApi.Assign.$Properties,
  ): Promise<void>
}

const welcome = (lease = 10): workerApi.ToWorker.$Properties => ({ welcome: { lease: { seconds: lease, nanos: 0 } } })

async function openWorld(options: { clock?: Clock; slots?: number; monotonicMs?: () => number } = {}): Promise<World> {
  const scheduler = openScheduler()
  const remote = openRemote()
  const cas = createCasClient(remote.channel)
  const metrics = createMetrics()
  const directory = join(await testFolder(), 'worker')
  const worker = await startWorker({
    scheduler: scheduler.channel,
    cas: remote.channel,
    name: 'w1',
    slots: options.slots ?? 2,
    properties: [
      { name: 'OSFamily', value: 'Linux' },
      { name: 'pool', value: 'a' },
    ],
    directory,
    cacheSizeBytes: 1e6,
    graceMs: 2_000,
    inputs: 'auto',
    version: '1.2.3',
    clock: options.clock ?? systemClock,
    log: quietLog,
    metrics,
    random: () => 0,
    ...(options.monotonicMs && { monotonicMs: options.monotonicMs }),
  })
  onTestFinished(() => worker.close())
  const put = async (bytes: Uint8Array) => {
    const blob = blobOf(bytes)
    await cas.upload([{ digest: blob.digest, content: blob.bytes }])
    return wireDigest(blob.digest)
  }
  return {
    scheduler,
    worker,
    directory,
    metrics,
    async assign(desk, leaseId, command, more = {}) {
      const commandDigest = await put(re.Command.encode(command).finish())
      const action = re.Action.encode({ commandDigest, inputRootDigest: wireDigest(blobOf('').digest) }).finish()
      const actionDigest = wireDigest(blobOf(action).digest)
      desk.say({ assign: { leaseId, action, actionDigest, timeout: { seconds: 60 }, inlineStdout: true, ...more } })
    },
  }
}

const stdoutOf = (message: workerApi.FromWorker | undefined) =>
  Buffer.from(message?.finished?.response?.result?.stdoutRaw ?? []).toString()
const codeOf = (message: workerApi.FromWorker | undefined) => message?.finished?.response?.status?.code ?? 0

describe('a worker and its scheduler', () => {
  test('says who it is, what it offers, and answers what it is given', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    expect(world.worker.connected).toBe(false)
    expect((await desk.next())?.hello).toMatchObject({
      worker: 'w1',
      slots: 2,
      version: '1.2.3',
      properties: [
        { name: 'OSFamily', value: 'Linux' },
        { name: 'pool', value: 'a' },
      ],
    })
    desk.say(welcome())
    await world.assign(desk, 'lease-1', shell('echo hello'))
    expect((await desk.next())?.started).toMatchObject({ leaseId: 'lease-1' })
    const finished = await desk.next()
    expect(world.worker.connected).toBe(true)
    expect(finished?.finished?.leaseId).toBe('lease-1')
    expect(stdoutOf(finished)).toBe('hello\n')
    expect(await world.metrics.text()).toContain('native_worker_actions_total{status="OK"} 1')
  })

  test('an action whose Command comes along needs nothing of the storage; a blob that is another is no help', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome())
    await desk.next()
    const command = Buffer.from(re.Command.encode(shell('echo carried')).finish())
    const other = Buffer.from(re.Command.encode(shell('echo other')).finish())
    const action = re.Action.encode({
      commandDigest: wireDigest(blobOf(command).digest),
      inputRootDigest: wireDigest(blobOf('').digest),
    }).finish()
    const assign = { action, actionDigest: wireDigest(blobOf(action).digest), timeout: { seconds: 60 } }
    desk.say({ assign: { ...assign, leaseId: 'a', inlineStdout: true, blobs: [other] } })
    expect(codeOf(await desk.next())).toBe(Code.FAILED_PRECONDITION)
    desk.say({ assign: { ...assign, leaseId: 'b', inlineStdout: true, blobs: [other, command] } })
    await desk.next()
    expect(stdoutOf(await desk.next())).toBe('carried\n')
  })

  test('two actions run at the same time', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    const meeting = await testFolder()
    desk.say(welcome())
    await desk.next()
    const script = (own: string, other: string) =>
      shell(`touch ${meeting}/${own}; until [ -e ${meeting}/${other} ]; do sleep 0.02; done; echo ${own}`)
    await world.assign(desk, 'a', script('one', 'two'))
    await world.assign(desk, 'b', script('two', 'one'))
    const answers: string[] = []
    while (answers.length < 2) {
      const message = await desk.next()
      if (message?.finished) answers.push(stdoutOf(message).trim())
    }
    expect(answers.sort()).toEqual(['one', 'two'])
  })

  test('renews its leases three times in their span, and says so without any too', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome(1))
    await desk.next()
    await world.assign(desk, 'long', shell('sleep 1.2'))
    while (!(await desk.next())?.finished);
    expect(desk.renewals.filter((leases) => leases.includes('long')).length).toBeGreaterThanOrEqual(2)
  })

  test('a cancelled action is killed, and the rest goes on', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome())
    await desk.next()
    await world.assign(desk, 'doomed', shell('sleep 300'))
    await desk.next()
    desk.say({ cancel: { leaseId: 'doomed', reason: 'nobody waits' } })
    desk.say({ cancel: { leaseId: 'unknown', reason: '' } })
    const cancelled = await desk.next()
    expect(cancelled?.finished?.response?.status).toMatchObject({ code: Code.CANCELLED, message: 'nobody waits' })
    await world.assign(desk, 'next', shell('echo fine'))
    await desk.next()
    expect(stdoutOf(await desk.next())).toBe('fine\n')
  })

  test('what an action writes reaches the scheduler while it runs', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    const meeting = await testFolder()
    desk.say(welcome())
    await desk.next()
    await world.assign(desk, 'l', shell(`echo early; until [ -e ${meeting}/seen ]; do sleep 0.05; done`))
    await desk.next()
    const rest = desk.next()
    await expect.poll(() => desk.outputs.map((each) => Buffer.from(each.data ?? []).toString())).toEqual(['early\n'])
    desk.say({ cancel: { leaseId: 'l' } })
    await rest
  })

  test('an assignment that is none is answered, not fatal', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome())
    await desk.next()
    desk.say({ assign: { leaseId: 'bad', actionDigest: { hash: 'nonsense', sizeBytes: 1 } } })
    expect(codeOf(await desk.next())).toBe(Code.INVALID_ARGUMENT)
    await world.assign(desk, 'bytes', shell('true'), { action: Buffer.from([0xff, 0xff]) })
    expect(codeOf(await desk.next())).toBe(Code.INVALID_ARGUMENT)
  })
})

describe('a scheduler that goes away', () => {
  test('the worker kills what ran, comes back, and works on', async () => {
    const world = await openWorld()
    const first = await world.scheduler.desk()
    first.say(welcome())
    await first.next()
    const meeting = await testFolder()
    const mark = `3${Date.now()}`
    await world.assign(first, 'lost', shell(`touch ${meeting}/up; exec sleep ${mark}`))
    await first.next()
    const rest = first.next()
    await expect.poll(() => processesNaming(mark)).toHaveLength(1)
    first.hangUp(new RpcError(Code.UNAVAILABLE, 'restarting'))
    await rest.catch(() => undefined)

    const second = await world.scheduler.desk()
    expect((await second.next())?.hello?.worker).toBe('w1')
    expect(await processesNaming(mark)).toEqual([])
    second.say(welcome())
    await world.assign(second, 'new', shell('echo again'))
    await second.next()
    expect(stdoutOf(await second.next())).toBe('again\n')
  })

  test('attempts to come back get rarer', async () => {
    const waits: number[] = []
    const clock: Clock = {
      now: systemClock.now,
      after(ms, callback) {
        if (ms > 5000) return systemClock.after(ms, callback)
        waits.push(ms)
        return systemClock.after(0, callback)
      },
    }
    const world = await openWorld({ clock })
    const desk = await world.scheduler.desk()
    world.scheduler.away = true
    desk.hangUp()
    await expect.poll(() => waits.length).toBeGreaterThan(8)
    expect(waits.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1600, 2500])
  })
})

describe('a worker that cannot renew its leases', () => {
  test('kills what runs once a lease is over, says nothing of it, and comes back', async () => {
    let stoodStillMs = 0
    const world = await openWorld({ monotonicMs: () => performance.now() + stoodStillMs })
    const first = await world.scheduler.desk()
    first.say(welcome(1))
    await first.next()
    const mark = `300.${process.pid}1`
    await world.assign(first, 'lost', shell(`exec sleep ${mark}`))
    await first.next()
    const rest = first.next().catch(() => undefined)
    await expect.poll(() => processesNaming(mark)).toHaveLength(1)
    stoodStillMs = 60_000
    const second = await world.scheduler.desk()
    expect((await second.next())?.hello?.worker).toBe('w1')
    expect(await processesNaming(mark)).toEqual([])
    expect((await rest)?.finished).toBeFalsy()
  })

  test('renewals go on while a large folder is made, looked through and removed', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome(1))
    await desk.next()
    const script = 'mkdir -p o; cd o; for i in $(seq 30); do mkdir $i; (cd $i; seq 1000 | xargs touch); done'
    await world.assign(desk, 'big', shell(script, { outputPaths: ['o'] }))
    await world.assign(desk, 'other', shell('sleep 300'))
    while ((await desk.next())?.finished?.leaseId !== 'big');
    // A worker that was silent for a lease's span gives up the stream.
    const folders = () => readdirSync(join(world.directory, 'work'))
    await expect.poll(() => folders().includes('1')).toBe(false)
    expect(world.scheduler.attempts).toBe(1)
    desk.say({ cancel: { leaseId: 'other' } })
    while ((await desk.next())?.finished?.leaseId !== 'other');
  })
})

describe('draining', () => {
  test('takes its leave, finishes what runs, then closes', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    const meeting = await testFolder()
    desk.say(welcome())
    await desk.next()
    await world.assign(desk, 'last', shell(`until [ -e ${meeting}/go ]; do sleep 0.02; done; echo done`))
    await desk.next()
    const drained = world.worker.drain()
    expect((await desk.next())?.leaving?.reason).not.toBe('')
    writeFileSync(join(meeting, 'go'), '')
    expect(stdoutOf(await desk.next())).toBe('done\n')
    expect(await desk.next()).toBeUndefined()
    await drained
    expect(world.worker.connected).toBe(false)
  })

  test('folders of actions are gone once it has closed, though their removal comes after the answer', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome())
    await desk.next()
    await world.assign(desk, 'one', shell('mkdir -p a/b/c && echo x > a/b/c/d'))
    await desk.next()
    expect((await desk.next())?.finished?.leaseId).toBe('one')
    desk.hangUp()
    await world.worker.close()
    expect(readdirSync(join(world.directory, 'work'))).toEqual([])
    expect(readdirSync(world.directory).filter((name) => name.startsWith('left-'))).toEqual([])
  })

  test('the scheduler can ask for it', async () => {
    const world = await openWorld()
    const desk = await world.scheduler.desk()
    desk.say(welcome())
    desk.say({ drain: {} })
    await desk.next()
    expect((await desk.next())?.leaving).toBeTruthy()
    expect(await desk.next()).toBeUndefined()
    await world.worker.closed
  })

  test('a worker that has no scheduler closes at once', async () => {
    const world = await openWorld()
    world.scheduler.away = true
    const desk = await world.scheduler.desk()
    desk.hangUp()
    await world.worker.drain()
  })
})

test('a worker starts whatever its last one left: that is moved aside and removed', async () => {
  const directory = join(await testFolder(), 'worker')
  mkdirSync(join(directory, 'work/7/deep/er'), { recursive: true })
  writeFileSync(join(directory, 'work/7/deep/file'), '')
  mkdirSync(join(directory, 'left-1/x'), { recursive: true })
  const { path, former, outgoing } = makeWorkFolder(directory)
  expect([path, [...former].sort()]).toEqual([
    join(directory, 'work'),
    [join(directory, 'left-1'), join(directory, 'left-2')],
  ])
  expect(readdirSync(path)).toEqual([])
  const remover = createRemover({ work: path, outgoing }, systemClock, quietLog)
  for (const each of former) remover.remove(each)
  await remover.close()
  expect(readdirSync(directory)).toEqual(['work'])
  expect(remover.leftCount).toBe(0)
})

test('two workers cannot have one folder; it is free again once the first has closed', async () => {
  const directory = await testFolder()
  const remote = openRemote()
  const start = () =>
    startWorker({
      scheduler: openScheduler().channel,
      cas: remote.channel,
      name: 'w',
      slots: 1,
      properties: [],
      directory,
      cacheSizeBytes: 1,
      graceMs: 2_000,
      inputs: 'auto',
      version: '',
      clock: systemClock,
      log: quietLog,
      metrics: createMetrics(),
    })
  const first = await start()
  await expect(start()).rejects.toMatchObject({ kind: 'unavailable', where: directory })
  await first.close()
  await (await start()).close()
})
