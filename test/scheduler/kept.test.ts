import { afterEach, expect, test } from 'vitest'
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
async function createKeepingWorld() {
  folder = diskFolder(4_000_000)
  const around = { log: quietLog, metrics: createMetrics(), clock: manualClock() }
  const store = { kind: 'disk', path: folder.path, size: 4_000_000, durability: 'process' } as const
  const opened = await buildStores(store, around, 600_000)
  stores = opened
  return { ...createWorld({}, undefined, { ...opened }), kept: () => heldIn(opened) }
}

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
