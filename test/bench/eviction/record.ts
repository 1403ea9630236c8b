/**
 * Records which blobs real Bazel builds ask a cache for: node test/bench/eviction/record.ts
 * Builds of a generated C++ workspace, each from a clean tree as a CI machine makes it, with an edit
 * before each; some edits are taken back later. Writes bazel.trace.gz beside itself; traces.ts reads it.
 */
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createCache } from '../../../src/cache/services.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { type Digest, digestKey } from '../../../src/core/digest.ts'
import { anyInstance, instanceNames } from '../../../src/core/instance.ts'
import type { Blobs } from '../../../src/store/blobs.ts'
import { createMemoryBlobs } from '../../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../../src/store/memory/results.ts'
import { verified } from '../../../src/store/verified.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { listen } from '../../../src/wire/server.ts'
import { quietLog } from '../../fixture/quiet-log.ts'
import { createWorkdir } from '../../fixture/real.ts'
import { libraryCount, writeHeader, writeLibrary, writeWorkspace } from './workspace.ts'

const builds = 32
/** After so many builds the edit before last is taken back, as when a branch is left. */
const takenBackEvery = 5
const storeBytesMax = 4e9

const ids = new Map<string, number>()
/** One line a build: `id` of each use, with `:size` where it is the blob's first. */
const lines: string[] = []
let uses: string[] = []

const server = await listen(
  createCache({
    blobs: recording(verified(createMemoryBlobs(storeBytesMax))),
    results: createMemoryResults(storeBytesMax),
    instances: instanceNames([anyInstance]),
    updateEnabled: true,
    blobSizeMax: 0,
    log: quietLog,
    metrics: createMetrics(),
    clock: systemClock,
  }).services,
  { address: '127.0.0.1:0', log: quietLog },
)
const work = createWorkdir()
try {
  await work.copy('workspace', 'ws')
  const folder = join(work.path, 'ws')
  await appendFile(join(folder, '.bazelrc'), `\nbuild --remote_cache=grpc://${server.address} --jobs=4\n`)
  await writeWorkspace(folder)
  const edits: { library: number; header: boolean }[] = []
  for (let build = 0; build < builds; build += 1) {
    await edit(folder, build, edits)
    await bazel('clean')
    await bazel('build', '//lib0/...', ...Array.from({ length: libraryCount - 1 }, (_, at) => `//lib${at + 1}/...`))
    lines.push(uses.join(' '))
    process.stdout.write(`build ${build}: ${uses.length} uses, ${ids.size} blobs so far\n`)
    uses = []
  }
  await writeFile(join(import.meta.dirname, 'bazel.trace.gz'), gzipSync(`${lines.join('\n')}\n`, { level: 9 }))
} finally {
  await bazel('shutdown')
  await server.close()
  await work.remove()
}

async function edit(folder: string, build: number, edits: { library: number; header: boolean }[]): Promise<void> {
  if (build === 0) return
  const last = build % takenBackEvery === 0 ? edits.at(-2) : undefined
  if (last) return (last.header ? writeHeader : writeLibrary)(folder, last.library, 0)
  // Steps by a number that divides nothing here, so that every library has its turn.
  const next = { library: (build * 23) % libraryCount, header: build % 4 === 0 }
  edits.push(next)
  return (next.header ? writeHeader : writeLibrary)(folder, next.library, build)
}

async function bazel(...args: string[]): Promise<void> {
  const ran = await work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
  if (ran.exitCode !== 0) throw new Error(`bazel ${args[0]} failed:\n${ran.all}`)
}

/** Notes each use of a blob: finding, reading and storing it are one each. */
function recording(blobs: Blobs): Blobs {
  const note = (digest: Digest) => {
    if (digest.size === 0) return
    const key = digestKey(digest)
    const known = ids.get(key)
    if (known === undefined) ids.set(key, ids.size)
    uses.push(known === undefined ? `${(ids.size - 1).toString(36)}:${digest.size.toString(36)}` : known.toString(36))
  }
  return {
    ...blobs,
    findMissing(digests) {
      for (const digest of digests) note(digest)
      return blobs.findMissing(digests)
    },
    get(digest, allocate) {
      note(digest)
      return blobs.get(digest, allocate)
    },
    put(digest, bytes) {
      note(digest)
      return blobs.put(digest, bytes)
    },
    putAll(all) {
      for (const { digest } of all) note(digest)
      return blobs.putAll(all)
    },
    read(digest, range, allocate) {
      note(digest)
      return blobs.read(digest, range, allocate)
    },
    write(digest) {
      note(digest)
      return blobs.write(digest)
    },
  }
}
