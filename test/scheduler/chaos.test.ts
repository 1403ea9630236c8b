import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { longrunning } from '../../src/wire/proto.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { connectWorker, type ScriptedWorker } from './worker.ts'
import { createWorld, type Followed, type World } from './world.ts'

type Event =
  | { readonly kind: 'execute'; readonly action: number; readonly priority: number; readonly doNotCache: boolean }
  | { readonly kind: 'connect'; readonly slots: number }
  | {
      readonly kind: 'die' | 'close' | 'finish' | 'fail' | 'renew' | 'leaving' | 'leave' | 'cancel'
      readonly pick: number
    }
  | { readonly kind: 'advance'; readonly ms: number }

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('execute' as const),
      action: fc.nat(5),
      priority: fc.integer({ min: -2, max: 2 }),
      doNotCache: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('connect' as const), slots: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom('die', 'close', 'finish', 'finish', 'fail', 'renew', 'leaving', 'leave', 'cancel'),
      pick: fc.nat(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 15_000 }) }),
  },
)

/** A worker and the leases that it was given, read as they come. */
interface Hand {
  readonly worker: ScriptedWorker
  readonly leases: string[]
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

function listen(worker: ScriptedWorker, taken: (lease: string) => void): void {
  const loop = async () => {
    for (let message = await worker.hear(); message; message = await worker.hear())
      if (message.assign) taken(message.assign.leaseId ?? '')
  }
  loop().catch((error: unknown) => {
    if (!(error instanceof RpcError)) throw error
  })
}

function play(world: World) {
  const hands: Hand[] = []
  const streams: Followed[] = []
  const left = new Set<Followed>()
  const actions = new Map<string, Promise<Digest>>()
  let names = 0

  function actionOf(argument: number, doNotCache: boolean): Promise<Digest> {
    const key = `${argument}/${doNotCache}`
    const known = actions.get(key) ?? world.action({ argument: key, doNotCache })
    actions.set(key, known)
    return known
  }

  async function happen(each: Event): Promise<void> {
    if (each.kind === 'execute') {
      const policy = { executionPolicy: { priority: each.priority }, skipCacheLookup: true }
      streams.push(world.execute(await actionOf(each.action, each.doNotCache), policy))
    } else if (each.kind === 'connect') {
      names += 1
      const worker = await connectWorker(world.channel, { name: `w${names}`, slots: each.slots })
      const hand: Hand = { worker, leases: [] }
      hands.push(hand)
      listen(worker, (lease) => hand.leases.push(lease))
    } else if (each.kind === 'advance') world.clock.advance(each.ms)
    else if (each.kind === 'leave') {
      const stream = streams[each.pick % Math.max(streams.length, 1)]
      if (stream) left.add(stream)
      if (each.pick % 2 === 0) stream?.cancel()
      else stream?.lose()
    } else if (each.kind === 'cancel') await cancelOne(world, each.pick)
    else {
      const hand = hands[each.pick % Math.max(hands.length, 1)]
      if (hand) act(hand, each.kind)
    }
    await settled()
  }

  return { happen, streams, left }
}

function act({ worker, leases }: Hand, kind: Event['kind']): void {
  if (kind === 'die') worker.die()
  else if (kind === 'close') worker.close()
  else if (kind === 'leaving') worker.say({ leaving: {} })
  else if (kind === 'renew') worker.say({ renew: { leaseIds: leases } })
  else {
    const lease = leases.shift()
    if (lease === undefined) return
    if (kind === 'finish') worker.finish(lease, { exitCode: 0 })
    else worker.fail(lease, Code.UNAVAILABLE, 'not now')
  }
}

async function cancelOne(world: World, pick: number): Promise<void> {
  const { operations } = world.scheduler.snapshot()
  const name = operations[pick % Math.max(operations.length, 1)]?.name
  if (name === undefined) return
  const request = longrunning.CancelOperationRequest.encode({ name }).finish()
  await world.channel.unary('google.longrunning.Operations/CancelOperation', request)
}

test('whatever happens to workers and clients, every action comes to an end, and nothing is left behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 60 }), async (events) => {
      const world = createWorld({ leaseMs: 10_000, workerWaitMs: 30_000, lostMs: 20_000, requeuesMax: 2 })
      const { happen, streams, left } = play(world)
      for (const each of events) await happen(each)
      const { workers, executing, queued } = world.scheduler.snapshot()
      expect(workers.reduce((sum, { busy }) => sum + busy, 0)).toBe(executing)
      for (const { busy, slots } of workers) expect(busy >= 0 && busy <= slots).toBe(true)
      // No free slot while something waits: nobody here asks for a platform.
      if (queued > 0)
        for (const { busy, slots, leaving, resting } of workers) expect(leaving || resting || busy === slots).toBe(true)
      // All others are silent from now on; one that works takes over.
      const last = await connectWorker(world.channel, { name: 'last', slots: 2 })
      listen(last, (lease) => last.finish(lease, { exitCode: 0 }))
      for (let i = 0; i < 8; i += 1) {
        last.say({ renew: {} })
        await settled()
        world.clock.advance(5_000)
        await settled()
      }
      const ends = await Promise.all(streams.filter((each) => !left.has(each)).map((each) => each.rest()))
      for (const messages of ends) expect(messages.at(-1)?.done).toBe(true)
      expect(world.scheduler.snapshot()).toMatchObject({ queued: 0, executing: 0, operations: [] })
      world.scheduler.close()
    }),
    { numRuns: 200 },
  )
}, 120_000)
