import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { followRuns, type RunEvent } from '../../src/client/run-output.ts'
import { outputBytesMax } from '../../src/scheduler/output.ts'
import { re, workerApi } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { connectWorker, errorOf } from './worker.ts'
import { createWorld, type World } from './world.ts'

const { STDERR, STDOUT } = workerApi.Output.Stream

/** Time moves in a test by far more than a lease lasts. */
function world(): World {
  const made = createWorld({ leaseMs: 10 ** 9 })
  onTestFinished(() => made.scheduler.close())
  return made
}

function as(invocation: string, target = '', mnemonic = '') {
  const metadata = re.RequestMetadata.encode({
    toolInvocationId: invocation,
    targetId: target,
    actionMnemonic: mnemonic,
  }).finish()
  return {
    metadata: {
      'build.bazel.remote.execution.v2.requestmetadata-bin': Buffer.from(metadata).toString('base64'),
    },
  }
}

/** A client that follows, and all that it has been told. */
function follower({ channel, clock }: World, invocationPrefix = '', actionHash = '') {
  const events: RunEvent[] = []
  const controller = new AbortController()
  const done = (async () => {
    for await (const event of followRuns(channel, { invocationPrefix, actionHash }, controller.signal))
      events.push(event)
  })()
  done.catch(() => undefined)
  onTestFinished(() => controller.abort())
  return {
    events,
    controller,
    done,
    /** Lets time pass until it has been told something; the test's time is the bound. */
    async until(is: (events: readonly RunEvent[]) => boolean): Promise<void> {
      while (!is(events)) {
        clock.advance(100)
        await setImmediate()
      }
    },
    text: (run: number, stream = 'stdout') =>
      events
        .filter((each) => each.kind === 'output' && each.run === run && each.stream === stream)
        .map((each) => (each.kind === 'output' ? Buffer.from(each.data).toString() : ''))
        .join(''),
  }
}

type Follower = ReturnType<typeof follower>

const hasEnded = (run: number) => (events: readonly RunEvent[]) =>
  events.some((each) => each.kind === 'ended' && each.run === run)
const hasFlight = (operations: number) => (events: readonly RunEvent[]) =>
  events.some((each) => each.kind === 'flight' && each.operations === operations)

test('who follows is told whose action runs, what it prints as it comes, and its end', async () => {
  const here = world()
  const worker = await connectWorker(here.channel)
  const following = follower(here)
  await following.until(hasFlight(0))
  const digest = await here.action()
  const stream = here.execute(digest, {}, as('build-1', '//app:lib', 'CppCompile'))
  const { leaseId = '' } = await worker.assigned()
  worker.say({ output: { leaseId, stream: STDOUT, data: Buffer.from('one ') } })
  await following.until(() => following.text(1) === 'one ')
  await following.until(hasFlight(1))
  worker.say({ output: { leaseId, stream: STDERR, data: Buffer.from('oh') } })
  worker.say({ output: { leaseId, stream: STDOUT, data: Buffer.from('two') } })
  worker.finish(leaseId ?? '')
  await stream.response()
  await following.until(hasEnded(1))
  expect(following.events.filter(({ kind }) => kind === 'flight')[1]).toMatchObject({
    operations: 1,
    invocations: ['build-1'],
  })
  expect(following.events.find(({ kind }) => kind === 'begun')).toEqual({
    kind: 'begun',
    run: 1,
    invocation: 'build-1',
    target: '//app:lib',
    mnemonic: 'CppCompile',
    action: `${digest.hash}/${digest.size}`,
    worker: 'w1',
  })
  expect([following.text(1), following.text(1, 'stderr')]).toEqual(['one two', 'oh'])
  await following.until(
    (events) => events.filter((each) => each.kind === 'flight' && each.operations === 0).length === 2,
  )
})

test('an action that begins and ends between two looks is told whole', async () => {
  const here = world()
  const worker = await connectWorker(here.channel)
  const following = follower(here)
  await following.until(hasFlight(0))
  const stream = here.execute(await here.action())
  const { leaseId = '' } = await worker.assigned()
  worker.say({ output: { leaseId, stream: STDOUT, data: Buffer.from('quick') } })
  worker.finish(leaseId ?? '')
  await stream.response()
  await following.until(hasEnded(1))
  expect(following.text(1)).toBe('quick')
})

test('of an action that runs already everything that is kept is told, and how much is not', async () => {
  const here = world()
  const worker = await connectWorker(here.channel)
  const stream = here.execute(await here.action())
  const { leaseId = '' } = await worker.assigned()
  const block = Buffer.alloc(64 * 1024, 'x')
  const blocks = outputBytesMax / block.length + 4
  for (let each = 0; each < blocks; each += 1) worker.say({ output: { leaseId, stream: STDOUT, data: block } })
  const outputs = (of: Follower) => of.events.flatMap((each) => (each.kind === 'output' ? [each] : []))
  const told = (of: Follower) => outputs(of).reduce((sum, { lost, data }) => sum + lost + data.length, 0)
  const isTold = (of: Follower) => told(of) === blocks * block.length
  const first = follower(here)
  await first.until(() => isTold(first))
  const late = follower(here)
  await late.until(() => isTold(late))
  expect(outputs(late)[0]?.lost).toBeGreaterThan(0)
  worker.finish(leaseId ?? '')
  await stream.response()
  await late.until(hasEnded(1))
  expect(isTold(late)).toBe(true)
})

test('only the builds that were asked for are told, also where an action is shared with another', async () => {
  const here = world()
  const worker = await connectWorker(here.channel, { slots: 2 })
  const following = follower(here, 'mine')
  await following.until(hasFlight(0))
  const theirs = here.execute(await here.action({ argument: 'theirs' }), {}, as('theirs'))
  const first = await worker.assigned()
  worker.say({ output: { leaseId: first.leaseId ?? '', stream: STDOUT, data: Buffer.from('shared') } })
  // The same action, which runs already, for a build that is followed.
  const mine = here.execute(await here.action({ argument: 'theirs' }), {}, as('mine-1'))
  await following.until((events) => events.some(({ kind }) => kind === 'output'))
  const other = here.execute(await here.action({ argument: 'other' }), {}, as('theirs'))
  const second = await worker.assigned()
  worker.say({ output: { leaseId: second.leaseId ?? '', stream: STDOUT, data: Buffer.from('secret') } })
  worker.finish(first.leaseId ?? '')
  worker.finish(second.leaseId ?? '')
  await Promise.all([theirs.response(), mine.response(), other.response()])
  await following.until(hasEnded(1))
  expect(following.events.filter(({ kind }) => kind === 'begun')).toMatchObject([{ run: 1, invocation: 'mine-1' }])
  expect(following.text(1)).toBe('shared')
})

test('of a single action its runs alone are told and counted, those that run already as well', async () => {
  const here = world()
  const worker = await connectWorker(here.channel, { slots: 2 })
  const [wanted, other] = [await here.action({ argument: 'wanted' }), await here.action({ argument: 'other' })]
  const early = follower(here, '', wanted.hash)
  await early.until(hasFlight(0))
  const streams = [here.execute(other, {}, as('theirs')), here.execute(wanted, {}, as('mine'))]
  const leases = [(await worker.assigned()).leaseId ?? '', (await worker.assigned()).leaseId ?? '']
  for (const leaseId of leases) worker.say({ output: { leaseId, stream: STDOUT, data: Buffer.from('text') } })
  await early.until(() => early.text(1) === 'text')
  const late = follower(here, '', wanted.hash)
  await late.until(() => late.text(1) === 'text')
  for (const leaseId of leases) worker.finish(leaseId)
  await Promise.all(streams.map((each) => each.response()))
  for (const following of [early, late]) {
    await following.until(hasEnded(1))
    expect(following.events.filter(({ kind }) => kind === 'begun')).toMatchObject([
      { run: 1, invocation: 'mine', action: `${wanted.hash}/${wanted.size}` },
    ])
    expect(following.events.flatMap((each) => (each.kind === 'flight' ? [each.operations] : []))).not.toContain(2)
  }
  const refused = follower(here, '', 'a'.repeat(257))
  expect((await errorOf(refused.done)).code).toBe(Code.INVALID_ARGUMENT)
})

test('a run whose worker was lost ends with why, and the next one is a run of its own', async () => {
  const here = world()
  const worker = await connectWorker(here.channel)
  const following = follower(here)
  await following.until(hasFlight(0))
  here.execute(await here.action())
  await worker.assigned()
  worker.die()
  await following.until(hasEnded(1))
  expect(following.events.find(({ kind }) => kind === 'ended')).toMatchObject({ broken: expect.stringContaining('w1') })
  await connectWorker(here.channel, { name: 'w2' })
  await following.until((events) => events.some((each) => each.kind === 'begun' && each.run === 2))
})

test('who follows does not hold up a scheduler that closes', async () => {
  const here = world()
  const following = follower(here)
  await following.until(hasFlight(0))
  here.scheduler.close()
  const { code, message } = await errorOf(following.done)
  expect([code, message]).toEqual([Code.UNAVAILABLE, 'the scheduler is shutting down'])
})

test('clients that follow are bounded, and one that leaves makes room', async () => {
  const here = world()
  const first = follower(here)
  await first.until(hasFlight(0))
  const others = Array.from({ length: 31 }, () => follower(here))
  for (const each of others) await each.until(hasFlight(0))
  const refused = follower(here)
  expect((await errorOf(refused.done)).code).toBe(Code.RESOURCE_EXHAUSTED)
  first.controller.abort()
  await first.done.catch(() => undefined)
  const next = follower(here)
  await next.until(hasFlight(0))
})
