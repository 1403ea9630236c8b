import { createInterface } from 'node:readline/promises'
import { openDisk } from '../../../src/store/disk/disk.ts'
import { type Blob, seededBlob } from '../../fixture/blob.ts'
import { quietLog } from '../../fixture/quiet-log.ts'
import { lanes, type Orders, plannedWrite, smallBytesMax } from './plan.ts'

/**
 * Writes to a store until it is killed, and says on standard output which writes the store
 * has acknowledged: a line with the turn of each. It is started ahead of time and waits for its orders.
 */
const lines = createInterface({ input: process.stdin })
const { path, bytesMax, run }: Orders = JSON.parse(await lines.question(''))
const { blobs, results } = await openDisk({ path, bytesMax, durability: 'process', log: quietLog, smallBytesMax })

/** The planned blob, in the middle of a batch. */
async function putAmongOthers(seed: number, planned: Blob): Promise<void> {
  const others = [1, 2, 3, 4].map((at) => seededBlob(-(seed * 10 + at), 500))
  for (const outcome of await blobs.putAll(others.toSpliced(2, 0, planned)))
    if (outcome.status === 'rejected') throw outcome.reason
}

async function carryOut(turn: number): Promise<void> {
  const { how, seed, size } = plannedWrite(run, turn)
  const { digest, bytes } = seededBlob(seed, size)
  if (how === 'result') return results.put(digest, bytes)
  if (how === 'put') return blobs.put(digest, bytes)
  if (how === 'batch') return putAmongOthers(seed, { digest, bytes })
  const writer = await blobs.write(digest)
  for (let at = 0; at < size; at += 65_536) await writer.write(bytes.subarray(at, at + 65_536))
  await writer.commit()
}

let next = 0
async function lane(): Promise<void> {
  for (;;) {
    const turn = next++
    await carryOut(turn)
    process.stdout.write(`${turn}\n`)
  }
}
await Promise.all(Array.from({ length: lanes }, lane))
