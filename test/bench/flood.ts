/**
 * What single calls of one client take while another one floods the cache:
 *   node test/bench/flood.ts [--built CHECKOUT]... [--rounds 5] [--seconds 2]
 * The checkouts are compiled; without any it is this one. Each row is run on all of them in turns.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { root } from '../fixture/program.ts'
import { callsOf } from './load/calls.ts'
import { openConnection } from './load/connection.ts'
import { startGenerator } from './load/generator.ts'
import type { Work } from './load/job.ts'
import { machineText } from './machine.ts'
import { ours, type Running } from './server.ts'

const { values } = parseArgs({
  options: {
    built: { type: 'string', multiple: true, default: [root] },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
  },
})
const rounds = Number(values.rounds)
const floodMs = Number(values.seconds) * 1000
/** Between two calls of the other client. */
const betweenMs = 10
/** All that may be open at once on one connection, and as many on forty. */
const floods = [
  { title: 'nobody', connections: 0, inFlight: 0 },
  { title: '10,000 in flight on one connection', connections: 1, inFlight: 10_000 },
  { title: '10,000 in flight on 40 connections', connections: 40, inFlight: 250 },
]
const api = 'build.bazel.remote.execution.v2'
const { hash, size } = blobOf('what nobody has').digest
const digest = { hash, sizeBytes: size }
const method = (name: string, body: Uint8Array): Work => ({
  kind: 'bodies',
  method: `${api}.${name}`,
  bodies: [body],
  once: false,
})
const methods = {
  GetCapabilities: method('Capabilities/GetCapabilities', re.GetCapabilitiesRequest.encode({}).finish()),
  FindMissingBlobs: method(
    'ContentAddressableStorage/FindMissingBlobs',
    re.FindMissingBlobsRequest.encode({ blobDigests: [digest] }).finish(),
  ),
  GetActionResult: method(
    'ActionCache/GetActionResult',
    re.GetActionResultRequest.encode({ actionDigest: digest }).finish(),
  ),
}

async function storeResult(address: string): Promise<void> {
  const channel = openDirectChannel(`grpc://${address}`)
  const request = { actionDigest: digest, actionResult: { exitCode: 1, stdoutRaw: Buffer.from('a result') } }
  const bytes = re.UpdateActionResultRequest.encode(request).finish()
  await channel.unary(`${api}.ActionCache/UpdateActionResult`, bytes)
  channel.close()
}

/**
 * Milliseconds that each call took until the signal. They come at fixed times, whatever became of those before: what
 * waited for the last answer would not be there while the server is slow.
 */
async function latencies(address: string, work: Work, stop: AbortSignal): Promise<number[]> {
  const [call] = callsOf(work).calls
  const connection = await openConnection(address, (error) => process.stderr.write(`${error.message}\n`))
  const open: Promise<number>[] = []
  while (call && !stop.aborted) {
    const began = performance.now()
    const { promise, resolve } = Promise.withResolvers<number>()
    connection.call(call, false, () => resolve(performance.now() - began))
    connection.flush()
    open.push(promise)
    await setTimeout(betweenMs)
  }
  const all = await Promise.all(open)
  connection.close()
  return all
}

interface Measured {
  readonly others: number[]
  readonly floodPerSecond: number[]
}

const generator = startGenerator()
async function measure(
  address: string,
  work: Work,
  { connections, inFlight }: (typeof floods)[number],
  into: Measured,
) {
  if (connections === 0) {
    into.others.push(...(await latencies(address, work, AbortSignal.timeout(floodMs))))
    return
  }
  const job = { address, connections, inFlight, msMax: floodMs, work, status: 0, answerBytesMin: 0 }
  const run = await generator.prepare(job)
  const over = AbortSignal.timeout(floodMs)
  const flood = run()
  into.others.push(...(await latencies(address, work, over)))
  const { calls, ms, wrong } = await flood
  if (Object.keys(wrong).length > 0) throw new Error(`the flood: ${JSON.stringify(wrong)}`)
  into.floodPerSecond.push((calls / ms) * 1000)
}

function text({ others, floodPerSecond }: Measured): string {
  const sorted = others.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1)
  const flood = floodPerSecond.toSorted((a, b) => a - b)[Math.floor(floodPerSecond.length / 2)]
  return `${at(0.5)} / ${at(0.95)} / ${at(1)}${flood ? ` (${Math.round(flood / 1000)}k/s)` : ''}`
}

const machine = machineText()
const folder = await mkdtemp(join(tmpdir(), 'native-flood-'))
const servers: Running[] = []
try {
  for (const [at, built] of values.built.entries()) servers.push(await ours(built, built).launch(join(folder, `${at}`)))
  for (const { cache } of servers) await storeResult(cache)
  const rows: string[] = []
  for (const [name, work] of Object.entries(methods))
    for (const flood of floods) {
      const measured = servers.map((): Measured => ({ others: [], floodPerSecond: [] }))
      for (let round = 0; round < rounds; round += 1)
        for (const [at, { cache }] of servers.entries()) await measure(cache, work, flood, measured[at] as Measured)
      rows.push(`| ${[`${name}, beside ${flood.title}`, ...measured.map(text)].join(' | ')} |`)
    }
  process.stdout.write(
    [
      `- ${new Date().toISOString().slice(0, 10)}, ${rounds} rounds of ${values.seconds} s: \`node test/bench/flood.ts\`, ${machine}`,
      '- median / p95 / longest of single calls in milliseconds; in brackets what the flood got done meanwhile',
      '',
      `| | ${values.built.join(' | ')} |`,
      `| --- |${values.built.map(() => ' --- |').join('')}`,
      ...rows,
      '',
    ].join('\n'),
  )
} finally {
  await generator.stop()
  for (const { stop } of servers) await stop()
  await rm(folder, { recursive: true, force: true })
}
