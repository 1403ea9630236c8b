import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { type ChunkedBlobs, chunked } from '../../src/store/chunks/chunked.ts'
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
const chunking = { averageBytes: 512 * 1024, seed: 0 }

async function open(
  folder: string,
): Promise<{ blobs: ChunkedBlobs; stored: () => number; close: () => Promise<void> }> {
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

const figures = { split: [] as number[], read: [] as number[], readChunks: [] as number[] }
/** Chunks that a client has, as one that followed all versions would. */
const held = new Set<string>()
let fetchedWhole = 0
let fetchedChunks = 0

const root = await mkdtemp(join(tmpdir(), 'native-chunks-'))
try {
  const [plain, split] = [await open(join(root, 'plain')), await open(join(root, 'split'))]
  let bytes: Buffer = Buffer.alloc(length)
  fill(bytes, 0)
  for (let version = 0; version < versions; version += 1) {
    if (version > 0) bytes = nextVersion(bytes, version)
    const digest = digestOf('sha256', bytes)
    await put(plain.blobs, digest, bytes)
    // A worker's output comes whole; whoever fetches it asks for its chunks.
    await put(split.blobs, digest, bytes)
    figures.read.push(await speed(bytes.length, () => readAll(split.blobs, digest)))
    let chunks: readonly Digest[] = []
    const cut = async () => {
      chunks = (await split.blobs.split(digest))?.chunks ?? []
    }
    figures.split.push(await speed(bytes.length, cut))
    figures.readChunks.push(await speed(bytes.length, () => readAll(split.blobs, digest)))
    fetchedWhole += bytes.length
    for (const { hash, size } of chunks) if (!held.has(hash)) fetchedChunks += size
    for (const { hash } of chunks) held.add(hash)
  }
  const percent = (part: number, all: number) => `${((100 * part) / all).toFixed(1)} %`
  const mb = (count: number) => `${Math.round(count / 1e6)} MB`
  process.stdout.write(
    [
      `${versions} versions of ${values.mib} MiB, each with 100 kB changed and 1 kB inserted`,
      `fetched: ${mb(fetchedWhole)} whole, ${mb(fetchedChunks)} in chunks (${percent(fetchedChunks, fetchedWhole)})`,
      `stored: ${mb(plain.stored())} whole, ${mb(split.stored())} in chunks (${percent(split.stored(), plain.stored())})`,
      `split: ${median(figures.split)} MB/s; read whole: ${median(figures.read)} MB/s; read in chunks: ${median(figures.readChunks)} MB/s`,
      '',
    ].join('\n'),
  )
  await Promise.all([plain.close(), split.close()])
} finally {
  await rm(root, { recursive: true, force: true })
}

function median(all: readonly number[]): number {
  return Math.round(all.toSorted((one, other) => one - other)[all.length >> 1] ?? 0)
}
