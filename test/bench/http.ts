/**
 * HTTP/1.1 beside gRPC on one and the same server, and both beside bazel-remote:
 *   node test/bench/http.ts [--write] [rounds] [seconds]
 * bazel-remote is built by Go (bazel-remote.ts); where that cannot be done, ours stands alone. GET and PUT of 1 KiB and 16 MiB
 * over eight connections, against ByteStream.Read and Write of blobs of the same sizes; the rounds of all are interleaved.
 * Clients and servers share the machine, and the clients of HTTP and gRPC differ: read it as an order of magnitude.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDirectChannel } from '../../src/wire/direct.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { createServerPlace } from '../fixture/servers.ts'
import { type BazelRemote, bazelRemoteProgram, startBazelRemote } from './bazel-remote.ts'
import { type Blob, fresh, read, write } from './blob-calls.ts'
import { machineText } from './machine.ts'
import { writeSection } from './results-file.ts'
import type { Figure } from './rows/row.ts'
import { createResults } from './table.ts'

const words = process.argv.slice(2)
const [rounds = 5, seconds = 2] = words.filter((word) => word !== '--write').map(Number)
const connections = 8

function ask(agent: Agent, address: string, method: string, { hash, bytes }: Blob): Promise<void> {
  const [host, port] = address.split(':')
  return new Promise((resolve, reject) => {
    const put = method === 'PUT'
    const headers = put ? { 'content-length': bytes.length } : {}
    const sent = request({ agent, host, port, method, path: `/cas/${hash}`, headers }, (answer) => {
      let received = 0
      answer.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
      answer.once('end', () => {
        if (answer.statusCode === 200 && received === (put ? 0 : bytes.length)) resolve()
        else reject(new Error(`${method} was answered ${answer.statusCode} with ${received} bytes`))
      })
    })
    sent.once('error', reject)
    sent.end(put ? bytes : undefined)
  })
}

/** Calls in so many seconds by all connections, each with one at a time. @returns calls a second */
async function timed(work: (connection: number, turn: number) => Promise<void>, turnsMax: number): Promise<number> {
  const start = performance.now()
  let turns = 0
  await Promise.all(
    Array.from({ length: connections }, async (_, connection) => {
      while (turns < turnsMax && performance.now() - start < seconds * 1000) await work(connection, turns++)
    }),
  )
  return (turns * 1000) / (performance.now() - start)
}

/** One protocol of one server. */
interface Column {
  readonly name: string
  get(connection: number, blob: Blob): Promise<void>
  put(connection: number, blob: Blob): Promise<void>
  close(): void
}

function overHttp(name: string, address: string): Column {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    name,
    get: (_, blob) => ask(agent, address, 'GET', blob),
    put: (_, blob) => ask(agent, address, 'PUT', blob),
    close: () => agent.destroy(),
  }
}

function overGrpc(name: string, address: string): Column {
  const channels = Array.from({ length: connections }, () => openDirectChannel(`grpc://${address}`))
  const channel = (connection: number) => channels[connection] as Channel
  return {
    name,
    get: (connection, blob) => read(channel(connection), blob),
    put: (connection, blob) => write(channel(connection), blob),
    close() {
      for (const each of channels) each.close()
    },
  }
}

/** One round. @param count of fresh blobs, of which each is sent once */
async function round({ get, put }: Column, size: number, count: number, known: Blob): Promise<Figure[]> {
  const blobs = Array.from({ length: count }, () => fresh(size))
  const mib = size / (1024 * 1024)
  const row = (title: string, calls: number): Figure => ({
    section: 'Throughput',
    title: `${title} ${mib < 1 ? '1 KiB' : `${mib} MiB`}`,
    ...(mib < 1 ? { unit: '/s', value: calls } : { unit: 'MB/s', value: calls * mib }),
  })
  return [
    row('writing, fresh,', await timed((at, turn) => put(at, blobs[turn] as Blob), count)),
    row('reading', await timed((at) => get(at, known), Number.POSITIVE_INFINITY)),
  ]
}

const machine = machineText()
const began = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'native-bench-http-'))
const place = createServerPlace()
let peer: BazelRemote | undefined
try {
  const store = { kind: 'disk', path: join(folder, 'store'), size: '16GiB' }
  const { address } = await place.start('cas', { store })
  const columns = [overHttp('HTTP', address), overGrpc('gRPC', address)]
  const program = await bazelRemoteProgram()
  if (program !== undefined) {
    peer = await startBazelRemote(program, { folder: join(folder, 'bazel-remote') })
    columns.push(overHttp('bazel-remote HTTP', peer.http), overGrpc('bazel-remote gRPC', peer.grpc))
  }
  const results = createResults(
    columns.map(({ name }) => name),
    ['Throughput'],
  )
  for (const [size, count] of [
    [1024, 20_000],
    [16 * 1024 * 1024, 24],
  ] as const) {
    const known = fresh(size)
    for (const { put } of columns) await put(0, known)
    // The first round warms up.
    for (let turn = 0; turn <= rounds; turn += 1)
      for (const column of turn % 2 === 0 ? columns : columns.toReversed()) {
        const figures = await round(column, size, count, known)
        if (turn > 0) results.note(column.name, figures)
      }
  }
  for (const column of columns) column.close()
  const spent = `${rounds} rounds in ${Math.round((performance.now() - began) / 1000)} s`
  const today = new Date().toISOString().slice(0, 10)
  const text = `- ${today}, ${spent}: \`node test/bench/http.ts --write ${rounds} ${seconds}\`\n- ${machine}\n\n${results.text()}`
  process.stdout.write(`${text}\n`)
  if (words.includes('--write')) writeSection(join(import.meta.dirname, 'RESULTS.md'), 'HTTP beside gRPC', text)
} finally {
  await peer?.stop()
  await place.dispose()
  rmSync(folder, { recursive: true, force: true })
}
