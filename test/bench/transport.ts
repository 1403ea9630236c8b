/**
 * Our gRPC transport against @grpc/grpc-js, the same handlers behind both, under h2load:
 *   node test/bench/transport.ts [rounds] [seconds] [part of a title]
 * Servers are processes of their own; rounds are interleaved and shuffled; medians and ratios
 * are printed. What h2load does not look at (gRPC statuses, bodies) is checked first.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Server, ServerCredentials, type ServerWritableStream, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { openChannel } from '../../src/wire/channel.ts'
import type { Messages, Send, Service } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'

const run = promisify(execFile)
const piece = Buffer.alloc(128 * 1024, 1)
const small = Buffer.alloc(1024, 2)

async function sendMany(request: Buffer, send: Send): Promise<void> {
  const bytes = Number(request.toString())
  if (bytes <= 1024) return void (await send(small))
  for (let left = bytes; left > 0; left -= piece.length)
    await send(left < piece.length ? piece.subarray(0, left) : piece)
}

async function count(requests: Messages): Promise<Buffer> {
  let bytes = 0
  for await (const each of requests) bytes += each.length
  return Buffer.from(String(bytes))
}

const services: Service[] = [
  {
    name: 'bench.Service',
    methods: {
      Get: { kind: 'unary', handle: () => small },
      Later: { kind: 'unary', handle: async () => small },
      Find: { kind: 'unary', borrows: true, handle: () => Buffer.alloc(0) },
      Read: { kind: 'server-stream', handle: (request, _call, send) => sendMany(request, send) },
      Write: { kind: 'client-stream', borrows: true, handle: count },
    },
  },
]

const same = { requestStream: false, responseStream: false }
const codec = (bytes: Buffer) => bytes
const path = (name: string) => ({
  path: `/bench.Service/${name}`,
  requestSerialize: codec,
  requestDeserialize: codec,
  responseSerialize: codec,
  responseDeserialize: codec,
})

async function serveGrpcJs(): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  const implementation: UntypedServiceImplementation = {
    Get: (_call: unknown, done: (error: null, value: Buffer) => void) => done(null, small),
    Later: (_call: unknown, done: (error: null, value: Buffer) => void) => queueMicrotask(() => done(null, small)),
    Find: (_call: unknown, done: (error: null, value: Buffer) => void) => done(null, Buffer.alloc(0)),
    Read: async (call: ServerWritableStream<Buffer, Buffer>) => {
      await sendMany(call.request, (message) => {
        if (!call.write(message as Buffer)) return new Promise((resolve) => call.once('drain', resolve))
      })
      call.end()
    },
    Write: (call: AsyncIterable<Buffer>, done: (error: null, value: Buffer) => void) =>
      void count(call).then((value) => done(null, value)),
  }
  server.addService(
    {
      Get: { ...path('Get'), ...same },
      Later: { ...path('Later'), ...same },
      Find: { ...path('Find'), ...same },
      Read: { ...path('Read'), requestStream: false, responseStream: true },
      Write: { ...path('Write'), requestStream: true, responseStream: false },
    },
    implementation,
  )
  return promisify(server.bindAsync.bind(server))('127.0.0.1:0', ServerCredentials.createInsecure())
}

async function serveOurs(): Promise<number> {
  const server = await listen(services, { address: '127.0.0.1:0' })
  return Number(server.address.split(':').at(-1))
}

const servers: Readonly<Record<string, () => Promise<number>>> = {
  ours: serveOurs,
  'grpc-js': serveGrpcJs,
}

interface Case {
  readonly title: string
  readonly method: string
  /** Messages of one request. */
  readonly messages: readonly Buffer[]
  readonly clients: number
  readonly streams: number
  /** What one request moves, where that is of interest. */
  readonly bytes?: number
}

const mib = 1024 * 1024
const many = (bytes: number, size: number) => Array.from({ length: bytes / size }, () => Buffer.alloc(size, 3))
const cases: readonly Case[] = [
  { title: 'unary 100 B, 1 in flight', method: 'Get', messages: [Buffer.alloc(100)], clients: 1, streams: 1 },
  { title: 'unary 100 B, 100 in flight', method: 'Get', messages: [Buffer.alloc(100)], clients: 1, streams: 100 },
  { title: 'unary 100 B, 10 connections x 10', method: 'Get', messages: [Buffer.alloc(100)], clients: 10, streams: 10 },
  {
    title: 'unary, handler async, 100 in flight',
    method: 'Later',
    messages: [Buffer.alloc(100)],
    clients: 1,
    streams: 100,
  },
  {
    title: 'FindMissing of 100 (7 KB), 16 in flight',
    method: 'Find',
    messages: [Buffer.alloc(7000)],
    clients: 1,
    streams: 16,
  },
  {
    title: 'batch of 4 MB up, 2 in flight',
    method: 'Find',
    messages: [Buffer.alloc(4e6)],
    clients: 1,
    streams: 2,
    bytes: 4e6,
  },
  { title: 'read 1 KiB, 16 in flight', method: 'Read', messages: [Buffer.from('1024')], clients: 1, streams: 16 },
  {
    title: 'read 64 KiB, 16 in flight',
    method: 'Read',
    messages: [Buffer.from('65536')],
    clients: 1,
    streams: 16,
    bytes: 65536,
  },
  {
    title: 'read 16 MiB, 1 in flight',
    method: 'Read',
    messages: [Buffer.from(String(16 * mib))],
    clients: 1,
    streams: 1,
    bytes: 16 * mib,
  },
  { title: 'write 1 KiB, 100 in flight', method: 'Write', messages: [small], clients: 1, streams: 100 },
  {
    title: 'write 64 KiB, 16 in flight',
    method: 'Write',
    messages: [Buffer.alloc(65536)],
    clients: 1,
    streams: 16,
    bytes: 65536,
  },
  {
    title: 'write 16 MiB in 64 KiB, 1 in flight',
    method: 'Write',
    messages: many(16 * mib, 65536),
    clients: 1,
    streams: 1,
    bytes: 16 * mib,
  },
  {
    title: 'write 16 MiB in 1 MiB, 4 connections',
    method: 'Write',
    messages: many(16 * mib, mib),
    clients: 4,
    streams: 1,
    bytes: 16 * mib,
  },
]

function frames(messages: readonly Buffer[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => {
      const prefix = Buffer.alloc(5)
      prefix.writeUInt32BE(message.length, 1)
      return [prefix, message]
    }),
  )
}

interface Sample {
  /** Requests a second. */
  readonly rate: number
  /** Microseconds of the server's processor for each request. */
  readonly cpu: number
}

async function load({ child, port }: Running, each: Case, body: string, seconds: number): Promise<Sample> {
  const before = await cpuOf(child)
  const { stdout } = await run('h2load', [
    ...['-t', '1', '-c', String(each.clients), '-m', String(each.streams), '-D', String(seconds)],
    ...['-w', '22', '-W', '24', '-d', body, '-H', 'content-type: application/grpc', '-H', 'te: trailers'],
    `http://127.0.0.1:${port}/bench.Service/${each.method}`,
  ])
  if (!/ 0 failed, 0 errored/.test(stdout)) throw new Error(`${each.title}: ${stdout}`)
  const done = Number(/(\d+) done/.exec(stdout)?.[1])
  return { rate: Number(/([\d.]+) req\/s/.exec(stdout)?.[1]), cpu: ((await cpuOf(child)) - before) / done }
}

async function cpuOf(child: ChildProcess): Promise<number> {
  child.send('cpu')
  return Number((await once(child, 'message'))[0])
}

interface Running {
  readonly name: string
  readonly child: ChildProcess
  readonly port: number
}

/** The answers themselves, by a client that looks at them. */
async function check(port: number): Promise<void> {
  const channel = openChannel(`grpc://127.0.0.1:${port}`)
  const got = await channel.unary('bench.Service/Get', Buffer.alloc(100))
  let read = 0
  for await (const each of channel.serverStream('bench.Service/Read', Buffer.from(String(16 * mib))))
    read += each.length
  async function* pieces() {
    yield* many(16 * mib, 65536)
  }
  const written = await channel.clientStream('bench.Service/Write', pieces())
  channel.close()
  if (!got.equals(small) || read !== 16 * mib || written.toString() !== String(16 * mib))
    throw new Error(`wrong answers: ${got.length} ${read} ${written}`)
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value)
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
}

function row(each: Case, ours: readonly Sample[], theirs: readonly Sample[]): string {
  const rates = [ours, theirs].map((samples) => samples.map(({ rate }) => rate))
  const cpus = [ours, theirs].map((samples) => median(samples.map(({ cpu }) => cpu)))
  const text = (list: readonly number[]) => {
    const shown = (rate: number) => (each.bytes && each.bytes > mib ? (rate * each.bytes) / 1e6 : rate).toFixed(0)
    const unit = each.bytes && each.bytes > mib ? ' MB/s' : '/s'
    return `${shown(median(list))}${unit} [${shown(Math.min(...list))}..${shown(Math.max(...list))}]`
  }
  const [rate = [], theirRate = []] = rates
  const [cpu = 0, theirCpu = 0] = cpus
  const times = (value: number) => `x${value.toFixed(1)}`
  return `| ${[
    each.title,
    text(rate),
    text(theirRate),
    times(median(rate) / median(theirRate)),
    `${cpu.toFixed(1)} / ${theirCpu.toFixed(1)}`,
    times(theirCpu / cpu),
  ].join(' | ')} |`
}

async function main(rounds: number, seconds: number, only: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-transport-'))
  const children = Object.keys(servers).map((name) => ({
    name,
    child: fork(fileURLToPath(import.meta.url), ['serve', name]),
  }))
  try {
    const running: Running[] = await Promise.all(
      children.map(async (each) => ({ ...each, port: Number((await once(each.child, 'message'))[0]) })),
    )
    for (const { port } of running) await check(port)
    console.log('| | ours | grpc-js | rate | CPU, us a request | CPU |\n|---|---|---|---|---|---|')
    for (const [at, each] of cases.entries()) {
      if (only && !each.title.includes(only)) continue
      const body = join(folder, String(at))
      await writeFile(body, frames(each.messages))
      const samples = new Map<string, Sample[]>(running.map(({ name }) => [name, []]))
      for (let round = 0; round < rounds; round += 1)
        for (const server of shuffled(running)) samples.get(server.name)?.push(await load(server, each, body, seconds))
      console.log(row(each, samples.get('ours') ?? [], samples.get('grpc-js') ?? []))
    }
  } finally {
    for (const { child } of children) child.kill()
    await rm(folder, { recursive: true })
  }
}

const [role, name, only] = process.argv.slice(2)
if (role === 'serve') {
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.send?.(await servers[name ?? '']?.())
} else await main(Number(role ?? 5), Number(name ?? 2), only)
