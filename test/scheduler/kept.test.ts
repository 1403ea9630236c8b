import { afterEach, expect, test, vi } from 'vitest'
import type { SchedulerOptions } from '../../src/scheduler/services.ts'
import { buildStores, type Stores } from '../../src/store/build.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { saidBy } from '../fixture/recorder.ts'
import { connectWorker } from './worker.ts'
import { createWorld } from './world.ts'

let folder: DiskFolder | undefined
let stores: Stores | undefined
afterEach(async () => {
  await stores?.close()
  folder?.remove()
})

/** A scheduler before a cache on disk, which keeps what builds count on. */
async function createKeepingWorld(options: Partial<SchedulerOptions> = {}) {
  folder = diskFolder(4_000_000)
  const storeClock = manualClock()
  const around = { log: quietLog, metrics: createMetrics(), clock: storeClock }
  const store = { kind: 'disk', path: folder.path, size: 4_000_000, durability: 'process' } as const
  const opened = await buildStores(store, around, silenceMs)
  stores = opened
  const silent = () => Math.max(0, ...(opened.pins?.live() ?? []).map(({ silentMs }) => silentMs))
  return { ...createWorld(options, undefined, { ...opened }), kept: () => heldIn(opened), storeClock, silent }
}

const silenceMs = 600_000
const minuteMs = 60_000

/** How many blobs each invocation holds. */
function heldIn({ pins }: Stores): Record<string, number> {
  return Object.fromEntries(pins?.live().map(({ invocation, values }) => [invocation, values]) ?? [])
}

test('what an action needs and makes is kept for all builds that wait for it, though its worker names none', async () => {
  const world = await createKeepingWorld()
  const worker = await connectWorker(world.channel, { name: 'w1' })
  const output = seededBlob(7, 5_000)
  const digest = await world.action()
  await world.put(output.bytes)
  const one = world.execute(digest, {}, { metadata: saidBy('first').headers })
  const { leaseId } = await worker.assigned()
  const inputs = world.kept()
  expect(inputs['first']).toBeGreaterThan(0)
  const two = world.execute(digest, {}, { metadata: saidBy('second').headers })
  await two.next()
  const { hash, size } = output.digest
  worker.finish(leaseId ?? '', { outputFiles: [{ path: 'out', digest: { hash, sizeBytes: size } }] })
  await Promise.all([one.response(), two.response()])
  expect(world.kept()).toEqual({ first: (inputs['first'] ?? 0) + 1, second: 1 })
})

test('so is a result that was there already', async () => {
  const world = await createKeepingWorld()
  const output = seededBlob(7, 5_000)
  const digest = await world.action()
  await world.put(output.bytes)
  const { hash, size } = output.digest
  await world.results.update(digest, { outputFiles: [{ path: 'out', digest: { hash, sizeBytes: size } }] })
  expect(world.kept()).toEqual({})
  await world.execute(digest, {}, { metadata: saidBy('third').headers }).response()
  // The output, and the Action.
  expect(world.kept()).toEqual({ third: 2 })
})

test('what it needs is kept while a build waits for one action and calls nothing, and no longer', async () => {
  const world = await createKeepingWorld({ workerWaitMs: 60 * minuteMs })
  const waiting = world.execute(await world.action(), {}, { metadata: saidBy('first').headers })
  await waiting.next()
  const inputs = world.kept()
  expect(inputs['first']).toBeGreaterThan(0)
  for (let minutes = 0; minutes < 20; minutes += 1) {
    world.storeClock.advance(minuteMs)
    world.clock.advance(minuteMs)
    await vi.waitFor(() => expect(world.silent()).toBe(0))
  }
  expect(world.kept()['first']).toBeGreaterThanOrEqual(inputs['first'] ?? 0)
  waiting.cancel()
  // Dropped at once, since it was queued: nothing names the build any more.
  await vi.waitFor(() => expect(world.scheduler.snapshot().operations).toEqual([]))
  world.clock.advance(20 * minuteMs)
  world.storeClock.advance(silenceMs + 1)
  expect(world.kept()).toEqual({})
})
