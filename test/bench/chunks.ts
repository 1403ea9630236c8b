import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { type ChunkedBlobs, chunked } from '../../src/store/chunks/chunked.ts'
import { chunkingFunctions } from '../../src/store/chunks/functions.ts'
import { openDisk } from '../../src/store/disk/disk.ts'
import { verified } from '../../src/store/verified.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { quietLog } from '../fixture/quiet-log.ts'

/**
 * Versions of a large binary that change a little: what is sent and stored with chunks and without,
 * and how fast a blob is split, beside reading it. node test/bench/chunks.ts [--versions 50] [--mib 100]
 */
const { values } = parseArgs({
  options: { versions: { type: 'string', default: '50' }, mib: { type: 'string', default: '100' } },
})
const versions = Number(values.versions)
const length = Number(values.mib) * 2 ** 20
const chunking = {
  fastCdc: { averageBytes: 512 * 1024, seed: 0 },
  repMaxCdc: { minBytes: 256 * 1024, horizonBytes: 2 * 1024 * 1024 },
}
/** By their value in the Remote Execution API. */
const functions = { 'FastCDC 2020': 1, RepMaxCDC: 2 }

interface Store {
  readonly blobs: ChunkedBlobs
  readonly stored: () => number
  readonly close: () => Promise<void>
}

async function open(folder: string): Promise<Store> {
  const disk = await openDisk({ path: folder, bytesMax: 40e9, durability: 'process', log: quietLog })
  const blobs = chunked(verified(disk.blobs), disk.results, chunking, createMetrics())
  return { blobs, stored: disk.bytesStored, close: disk.close }
}

/** A linker's work: one region is another, one has grown by a few bytes, which moves all behind it. */
function nextVersion(bytes: Buffer, version: number): Buffer {
  const at = (version * 7_919_993) % (bytes.length - 200_000)
  const changed = Buffer.from(bytes)
  fill(changed.subarray(at, at + 100_000), version)
  const grown = Buffer.alloc(1000)
  fill(grown, version + 1e6)
  const middle = (version * 3_999_971) % bytes.length
  return Buffer.concat([changed.subarray(0, middle), grown, changed.subarray(middle)])
}

/** Bytes that do not compress, from a xorshift. */
function fill(bytes: Buffer, seed: number): void {
  let state = (seed + 1) * 2_654_435_761
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes.writeInt32LE(state, at)
  }
}

async function put(blobs: Blobs, digest: Digest, bytes: Buffer): Promise<void> {
  const writer = await blobs.write(digest)
  for (let at = 0; at < bytes.length; at += 256 * 1024) await writer.write(bytes.subarray(at, at + 256 * 1024))
  await writer.commit()
}

/** MB/s */
async function speed(bytes: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return bytes / 1e3 / (performance.now() - start)
}

async function readAll(blobs: Blobs, digest: Digest): Promise<void> {
  let left = digest.size
  for await (const piece of (await blobs.read(digest)) ?? []) left -= piece.length
  if (left !== 0) throw new Error(`${digest.hash} is not whole`)
}

/** Of one function. */
interface Side extends Store {
  readonly value: number
  readonly speeds: { readonly split: number[]; readonly read: number[]; readonly cut: number[] }
  /** Chunks that a client has, as one that followed all versions would. */
  readonly held: Set<string>
  fetched: number
}

/** A worker's output comes whole; whoever fetches it asks for its chunks. */
async function follow(side: Side, digest: Digest, bytes: Buffer): Promise<void> {
  await put(side.blobs, digest, bytes)
  let chunks: readonly Digest[] = []
  const cut = async () => {
    chunks = (await side.blobs.split(digest, side.value))?.chunks ?? []
  }
  side.speeds.split.push(await speed(bytes.length, cut))
  side.speeds.read.push(await speed(bytes.length, () => readAll(side.blobs, digest)))
  side.speeds.cut.push(cutAlone(side.value, bytes))
  for (const { hash, size } of chunks) if (!side.held.has(hash)) side.fetched += size
  for (const { hash } of chunks) side.held.add(hash)
}

/** Finds the chunks, and nothing more. @returns MB/s of processor time */
function cutAlone(value: number, bytes: Buffer): number {
  const before = process.cpuUsage()
  const chunker = chunkingFunctions(chunking)
    .find((each) => each.value === value)
    ?.chunkerFor(bytes.length)
  let found = 0
  for (let at = 0; chunker && at < bytes.length; at += 256 * 1024)
    for (const chunk of chunker.take(bytes.subarray(at, at + 256 * 1024))) found += chunk.length
  if (found !== bytes.length) throw new Error('the chunks are not the blob')
  return bytes.length / process.cpuUsage(before).user
}

const root = await mkdtemp(join(tmpdir(), 'native-chunks-'))
try {
  const plain = await open(join(root, 'plain'))
  const sides = await Promise.all(
    Object.values(functions).map(async (value): Promise<Side> => {
      const speeds = { split: [], read: [], cut: [] }
      return { ...(await open(join(root, `function-${value}`))), value, speeds, held: new Set(), fetched: 0 }
    }),
  )
  const reads: number[] = []
  let fetched = 0
  let bytes: Buffer = Buffer.alloc(length)
  fill(bytes, 0)
  for (let version = 0; version < versions; version += 1) {
    if (version > 0) bytes = nextVersion(bytes, version)
    const digest = digestOf('sha256', bytes)
    await put(plain.blobs, digest, bytes)
    reads.push(await speed(bytes.length, () => readAll(plain.blobs, digest)))
    fetched += bytes.length
    for (const side of sides) await follow(side, digest, bytes)
  }
  const percent = (part: number, all: number) => `${mb(part)} (${((100 * part) / all).toFixed(1)} %)`
  const row = (what: string, whole: string, of: (side: Side) => string) =>
    `| ${[what, whole, ...sides.map(of)].join(' | ')} |`
  process.stdout.write(
    [
      `${versions} versions of ${values.mib} MiB, each with 100 kB changed and 1 kB inserted`,
      `|  | whole | ${Object.keys(functions).join(' | ')} |`,
      '| --- | ---: | ---: | ---: |',
      row('fetched by a client that follows (MB)', mb(fetched), (side) => percent(side.fetched, fetched)),
      row('stored (MB)', mb(plain.stored()), (side) => percent(side.stored(), plain.stored())),
      row('read (MB/s)', median(reads), ({ speeds }) => median(speeds.read)),
      row('split, beside reading it (MB/s)', median(reads), ({ speeds }) => median(speeds.split)),
      row('the cutting itself (MB/s of one processor)', '', ({ speeds }) => median(speeds.cut)),
      '',
    ].join('\n'),
  )
  await Promise.all([plain, ...sides].map(({ close }) => close()))
} finally {
  await rm(root, { recursive: true, force: true })
}

function mb(bytes: number): string {
  return String(Math.round(bytes / 1e6))
}

function median(all: readonly number[]): string {
  return String(Math.round(all.toSorted((one, other) => one - other)[all.length >> 1] ?? 0))
}
