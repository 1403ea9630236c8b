/**
 * What it costs to tell a console of actions, in processor time for each event: the server that tells of them, and the
 * console, which takes them down and then reads the Actions and Commands. A cache in memory answers within the process.
 *   node test/bench/telling.ts [ACTIONS] [ROUNDS]      20000 and 5 by default
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache } from '../../src/cache/services.ts'
import { createRecording } from '../../src/client/record.ts'
import { openHistory } from '../../src/console/history.ts'
import { createReader } from '../../src/console/reader.ts'
import { recorderService } from '../../src/console/recorder-service.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Digest } from '../../src/core/digest.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { verified } from '../../src/store/verified.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { consoleApi, re } from '../../src/wire/proto.ts'
import { callerOf, hit } from '../console/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const [actions = 20_000, rounds = 5] = process.argv.slice(2).map(Number)
const perTarget = 4
/** As many as a server sends at once. */
const batchEvents = 1_000
const nothing = consoleApi.RecordResponse.encode({}).finish()
const anybody = { metadata: undefined, instance: '' }

const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
const history = openHistory({
  path: join(folder, 'history.db'),
  bounds: { bytesMax: 64e9, ageMsMax: Number.MAX_SAFE_INTEGER },
  clock: systemClock,
  log: quietLog,
})
const blobs = verified(createMemoryBlobs(2 ** 30))
const cas = memoryChannel(
  createCache({
    ...{ blobs, results: createMemoryResults(2 ** 24), instances: new Set(['']), updateEnabled: true, blobSizeMax: 0 },
    ...{ log: quietLog, metrics: createMetrics(), clock: systemClock },
  }).services,
)
try {
  const all: Awaited<ReturnType<typeof tell>>[] = []
  for (let round = 1; round <= rounds; round += 1) all.push(await tell(round))
  const say = (what: string, of: 'noted' | 'sent' | 'taken' | 'read' | 'again') => {
    const us = all.map((each) => (each[of] * 1000) / actions).sort((a, b) => a - b)
    const [least = 0, middle = 0, most = 0] = [us[0], us[us.length >> 1], us.at(-1)]
    process.stdout.write(`${what}: ${middle.toFixed(1)} µs (${least.toFixed(1)} to ${most.toFixed(1)})\n`)
  }
  say('the server notes an event', 'noted')
  say('the server sends it', 'sent')
  say('the console takes one of an action that is new', 'taken')
  say('the console reads that action, and the cache answers', 'read')
  say('the console takes one of an action that it knows', 'again')
} finally {
  cas.close()
  history.close()
  await rm(folder, { recursive: true })
}

async function tell(round: number) {
  const made = await makeActions(round)
  const first = await toldOf(`first-${round}`, made)
  const taken = await take(first.batches)
  const reader = createReader({ history, cas, clock: systemClock, log: quietLog })
  const read = await cpuOf(() => reader.idle())
  reader.close()
  const again = await take((await toldOf(`again-${round}`, made)).batches)
  return { ...first, taken, read, again }
}

/** Puts Actions and Commands as those of a compiler into the cache. */
async function makeActions(round: number): Promise<readonly Digest[]> {
  const flags = Array.from({ length: 40 }, (_, at) => `-fsome-flag-of-the-toolchain=${at}`)
  const put = async (bytes: Uint8Array) => {
    const { digest } = blobOf(bytes)
    await blobs.put(digest, Buffer.from(bytes))
    return digest
  }
  const made: Digest[] = []
  for (let at = 0; at < actions; at += 1) {
    const output = `bazel-out/k8-fastbuild/bin/app/_objs/round${round}/file${at}.o`
    const argv = ['/usr/bin/gcc', ...flags, '-c', `app/file${at}.cc`, '-o', output]
    const command = await put(re.Command.encode({ arguments: argv, outputPaths: [output] }).finish())
    const inputRoot = blobOf(`${round} ${at}`).digest
    const action = { commandDigest: wire(command), inputRootDigest: wire(inputRoot) }
    made.push(await put(re.Action.encode(action).finish()))
  }
  return made
}

/** Hits of them, as the cache tells of them. */
async function toldOf(invocation: string, made: readonly Digest[]) {
  const callers = made.map((_, at) =>
    callerOf({
      ...{ invocation, target: `//app:target${Math.floor(at / perTarget)}` },
      ...{ mnemonic: 'CppCompile', configuration: 'c'.repeat(64) },
    }),
  )
  const batches: Uint8Array[] = []
  const clock = manualClock(systemClock.now())
  const keep = (bytes: Buffer) => {
    batches.push(Buffer.from(bytes))
    return nothing
  }
  const channel = memoryChannel([
    {
      name: 'native.console.v1.Recorder',
      methods: { Record: { kind: 'unary', handle: keep } },
    },
  ])
  const options = { channel, clock, log: quietLog, metrics: createMetrics(), usage: () => 0 }
  const recording = createRecording(options)
  const noted = await cpuOf(() => {
    for (const [at, action] of made.entries()) recording.recorder.lookup(callers[at] ?? anybody, action, hit)
  })
  const sent = await cpuOf(async () => {
    while (batches.length < Math.ceil(made.length / batchEvents)) {
      clock.advance(1_000)
      await new Promise(setImmediate)
    }
  })
  await recording.close()
  channel.close()
  const events = batches.reduce((sum, batch) => sum + consoleApi.RecordRequest.decode(batch).events.length, 0)
  if (events !== made.length) throw new Error(`${events} of ${made.length} events were sent`)
  return { batches, noted, sent }
}

/** A console takes batches down. */
async function take(batches: readonly Uint8Array[]): Promise<number> {
  const parts = { history, clock: systemClock, metrics: createMetrics(), secret: undefined }
  const waiting = { wake: () => undefined, add: () => undefined }
  const channel = memoryChannel([recorderService({ ...parts, reader: waiting, comparer: waiting })])
  try {
    return await cpuOf(async () => {
      for (const batch of batches) await channel.unary('native.console.v1.Recorder/Record', batch)
    })
  } finally {
    channel.close()
  }
}

function wire({ hash, size }: Digest): re.Digest.$Properties {
  return { hash, sizeBytes: size }
}

async function cpuOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
