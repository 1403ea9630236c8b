import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DiskStore, openDisk } from '../../src/store/disk/disk.ts'
import { readWhole, seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { lanes, plannedWrite, smallBytesMax } from './crash/plan.ts'
import { startVictim, type Victim } from './crash/victim.ts'

/** Kills of one folder in a row, and folders: together the number of kills of one suite. */
const killsPerFolder = 25
const folders = 6
const roomy = 2e9
const tight = 4_000_000

/** What each generation was acknowledged. */
type Acknowledged = Map<number, readonly number[]>

describe.each([
  { name: 'a store with room', bytesMax: roomy },
  { name: 'a store that evicts all the time', bytesMax: tight },
])('$name, killed with SIGKILL in the middle of its writes', ({ bytesMax }) => {
  let waiting: Victim
  beforeAll(() => {
    waiting = startVictim()
  })
  afterAll(() => waiting.dismiss())

  /** One that is ready; the next one gets ready meanwhile. */
  function victim(): Victim {
    const ready = waiting
    waiting = startVictim()
    return ready
  }

  test.each(Array.from({ length: folders }, (_, at) => at))(
    `${killsPerFolder} times in a row, folder %i`,
    async (at) => {
      const folder = diskFolder(bytesMax)
      const acknowledged: Acknowledged = new Map()
      try {
        for (let kill = 0; kill < killsPerFolder; kill += 1) {
          const run = at * killsPerFolder + kill + 1
          // Some are killed at their first writes, some after hundreds.
          const turns = await victim().runAndKill({ path: folder.path, bytesMax, run }, (run * 37) % 300)
          acknowledged.set(run, turns)
          await judge(folder, bytesMax, acknowledged, [run])
        }
        await judge(folder, bytesMax, acknowledged, [...acknowledged.keys()])
      } finally {
        folder.remove()
      }
    },
    120_000,
  )
})

/** Opens what the killed program left, and holds it against what was acknowledged. */
async function judge(folder: DiskFolder, bytesMax: number, acknowledged: Acknowledged, runs: number[]): Promise<void> {
  const store = await openDisk({ path: folder.path, bytesMax, durability: 'process', log: quietLog, smallBytesMax })
  try {
    expect(folder.bytes()).toBeLessThanOrEqual(bytesMax)
    for (const run of runs) await judgeRun(store, run, acknowledged.get(run) ?? [], bytesMax === roomy)
  } finally {
    await store.close()
  }
}

async function judgeRun(store: DiskStore, run: number, turns: readonly number[], allMustBeThere: boolean) {
  const done = new Set(turns)
  // Beyond the last acknowledged write others were on their way: they are there or not, but never wrong.
  const last = Math.max(-1, ...turns) + 2 * lanes
  for (let turn = 0; turn <= last; turn += 1) {
    const stored = await storedAs(store, run, turn)
    if (stored === 'wrong') expect.fail(`run ${run} turn ${turn}: other bytes than were written`)
    if (stored === 'absent' && allMustBeThere && done.has(turn))
      expect.fail(`run ${run} turn ${turn}: acknowledged but absent (${JSON.stringify(plannedWrite(run, turn))})`)
  }
}

async function storedAs(store: DiskStore, run: number, turn: number): Promise<'right' | 'wrong' | 'absent'> {
  const { how, seed, size } = plannedWrite(run, turn)
  const { digest, bytes } = seededBlob(seed, size)
  const found = how === 'result' ? await store.results.get(digest) : await readWhole(await store.blobs.read(digest))
  if (how !== 'result') expect((await store.blobs.findMissing([digest])).length).toBe(found ? 0 : 1)
  if (!found) return 'absent'
  return Buffer.compare(found, bytes) === 0 ? 'right' : 'wrong'
}
