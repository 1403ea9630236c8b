import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { openDisk } from '../../src/store/disk/disk.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { verified } from '../../src/store/verified.ts'
import { quietLog } from '../fixture/quiet-log.ts'

/**
 * How fast the stores are by themselves: node test/bench/store.ts [--blobs 20000] [--rounds 5] [--full]
 * --full measures a full store alone.
 * Prints the median of the rounds and their range; nothing is checked against a time.
 */
const { values } = parseArgs({
  options: {
    blobs: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    full: { type: 'boolean', default: false },
  },
})
const blobCount = Number(values.blobs)
const rounds = Number(values.rounds)
const capacity = 8e9
/** What a small blob takes beside its bytes, with its part of the store's head room. */
const recordOverheadBytes = 150

interface Row {
  readonly name: string
  readonly unit: string
  readonly figures: number[]
}
const rows = new Map<string, Row>()

function note(name: string, figure: number, unit: string): void {
  const row = rows.get(name) ?? { name, unit, figures: [] }
  row.figures.push(figure)
  rows.set(name, row)
}

/** Operations a second. */
async function rate(name: string, count: number, work: () => Promise<void>): Promise<void> {
  const start = performance.now()
  await work()
  note(name, (count / (performance.now() - start)) * 1000, '/s')
}

/** Runs work for each of the numbers below count, so many at once. */
async function inFlight(count: number, width: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let at = next++; at < count; at = next++) await work(at)
  }
  await Promise.all(Array.from({ length: width }, lane))
}

function freshBlobs(count: number, size: number, round: number): { digest: Digest; bytes: Uint8Array }[] {
  return Array.from({ length: count }, (_, at) => {
    const bytes = Buffer.alloc(size, at & 255)
    bytes.writeDoubleLE(at + round * 1e9, 0)
    return { digest: digestOf('sha256', bytes), bytes }
  })
}

async function measure(name: string, blobs: Blobs, round: number): Promise<void> {
  const small = freshBlobs(blobCount, 1024, round)
  const more = freshBlobs(Math.floor(blobCount / 4), 1024, round + 0.5)
  const at = (index: number) => small[(index * 7919) % small.length] ?? small[0]
  await rate(`${name}: put 1 KiB, 100 in flight`, small.length, () =>
    inFlight(small.length, 100, async (index) => {
      const blob = small[index]
      if (blob) await blobs.put(blob.digest, blob.bytes)
    }),
  )
  await rate(`${name}: put 1 KiB, 1 in flight`, more.length, async () => {
    for (const { digest, bytes } of more) await blobs.put(digest, bytes)
  })
  for (const width of [1, 100])
    await rate(`${name}: get 1 KiB, ${width} in flight`, small.length, () =>
      inFlight(small.length, width, async (index) => {
        const blob = at(index)
        if (blob && !(await blobs.get(blob.digest))) throw new Error('a blob is gone')
      }),
    )
  const hundreds = Array.from({ length: 200 }, (_, start) => small.slice(start * 100, start * 100 + 100))
    .filter((digests) => digests.length === 100)
    .map((each) => each.map(({ digest }) => digest))
  const absent = freshBlobs(100, 100, round + 0.25).map(({ digest }) => digest)
  const start = performance.now()
  for (const digests of hundreds) await blobs.findMissing(digests)
  note(`${name}: findMissing of 100 present`, ((performance.now() - start) / hundreds.length) * 1000, ' us')
  const startAbsent = performance.now()
  for (let turn = 0; turn < 200; turn += 1) await blobs.findMissing(absent)
  note(`${name}: findMissing of 100 absent`, ((performance.now() - startAbsent) / 200) * 1000, ' us')
  await measureLarge(name, blobs, round)
}

async function measureLarge(name: string, blobs: Blobs, round: number): Promise<void> {
  const [large] = freshBlobs(1, 16 * 1024 * 1024, round)
  if (!large) return
  const start = performance.now()
  const writer = await blobs.write(large.digest)
  for (let at = 0; at < large.bytes.byteLength; at += 65_536) await writer.write(large.bytes.subarray(at, at + 65_536))
  await writer.commit()
  note(`${name}: write 16 MiB in 64 KiB pieces`, large.bytes.byteLength / (performance.now() - start) / 1000, ' MB/s')
  const startRead = performance.now()
  let read = 0
  for await (const piece of (await blobs.read(large.digest)) ?? []) read += piece.byteLength
  note(`${name}: read 16 MiB`, read / (performance.now() - startRead) / 1000, ' MB/s')
}

/** Each put evicts another blob: the store has room for as many as are put, and is full before the clock starts. */
async function measureFull(round: number): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'native-bench-'))
  try {
    const bytesMax = blobCount * (1024 + recordOverheadBytes)
    const { blobs, close } = await openDisk({ path, bytesMax, durability: 'process', log: quietLog })
    const puts = (made: ReturnType<typeof freshBlobs>) => () =>
      inFlight(made.length, 100, async (index) => {
        const blob = made[index]
        if (blob) await blobs.put(blob.digest, blob.bytes)
      })
    await puts(freshBlobs(Math.ceil(blobCount * 1.2), 1024, round + 0.75))()
    const fresh = freshBlobs(3 * blobCount, 1024, round)
    const before = process.cpuUsage()
    await rate('full disk: put 1 KiB, 100 in flight', fresh.length, puts(fresh))
    const { user, system } = process.cpuUsage(before)
    note('full disk: processor time of a put', (user + system) / fresh.length, ' us')
    await close()
  } finally {
    await rm(path, { recursive: true })
  }
}

async function measureDisk(round: number): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'native-bench-'))
  try {
    const open = () => openDisk({ path, bytesMax: capacity, durability: 'process', log: quietLog })
    const disk = await open()
    await measure('disk', disk.blobs, round)
    await measure('verified disk', verified(disk.blobs), round + 0.125)
    await disk.close()
    const start = performance.now()
    const again = await open()
    note(`disk: reopen with ${again.entries()} blobs`, performance.now() - start, ' ms')
    await again.close()
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

for (let round = 1; round <= rounds; round += 1) {
  await measureFull(round)
  if (values.full) continue
  await measureDisk(round)
  await measure('memory', createMemoryBlobs(capacity), round)
}
for (const { name, unit, figures } of rows.values()) {
  const sorted = figures.sort((a, b) => a - b)
  const show = (value = 0) => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en'))
  const median = sorted[sorted.length >> 1]
  process.stdout.write(
    `${name.padEnd(44)} ${show(median).padStart(12)}${unit}  [${show(sorted[0])} .. ${show(sorted.at(-1))}]\n`,
  )
}
