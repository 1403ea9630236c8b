/**
 * TLS beside plain text, on two servers of one build, and beside bazel-remote with TLS and without:
 *   node test/bench/tls.ts [--write] [rounds] [seconds]
 * bazel-remote is built by Go (bazel-remote.ts); where that cannot be done, ours stand alone. Calls over eight connections
 * and over new ones, the rounds of all interleaved in an order that is drawn anew. Client and servers share the machine, and
 * the client is our own: both ends encrypt, so that a ratio is that of both together.
 */
import { join } from 'node:path'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { re } from '../../src/wire/proto.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { type ClientTls, openClientTls } from '../../src/wire/tls/client-tls.ts'
import { ensureOwnCertificates, ownCertificates } from '../../src/wire/tls/own-certificates.ts'
import { createServerPlace } from '../fixture/servers.ts'
import { type BazelRemote, bazelRemoteProgram, startBazelRemote } from './bazel-remote.ts'
import { type Blob, fresh, read, write } from './blob-calls.ts'
import { machineText } from './machine.ts'
import { writeSection } from './results-file.ts'
import type { Figure } from './rows/row.ts'
import { createResults } from './table.ts'

const words = process.argv.slice(2)
const [rounds = 5, seconds = 1.5] = words.filter((word) => word !== '--write').map(Number)
const connections = 8
const mib = 1024 * 1024

interface Server {
  readonly name: string
  readonly url: string
  readonly tls: ClientTls | undefined
  readonly channels: readonly Channel[]
}

async function ask(channel: Channel): Promise<void> {
  const request = re.GetCapabilitiesRequest.encode({}).finish()
  await channel.unary('build.bazel.remote.execution.v2.Capabilities/GetCapabilities', request)
}

/** Turns a second, so many at once. @param turnsMax of which there are blobs for no more */
async function rate(atOnce: number, turnsMax: number, work: (turn: number) => Promise<void>): Promise<number> {
  const start = performance.now()
  let turns = 0
  const lane = async () => {
    while (turns < turnsMax && performance.now() - start < seconds * 1000) await work(turns++)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return (turns * 1000) / (performance.now() - start)
}

type Row = (server: Server) => Promise<Omit<Figure, 'section'>>

function rowsFor(small: Blob, large: Blob): Row[] {
  const on = ({ channels }: Server, turn: number) => channels[turn % connections] as Channel
  const endless = Number.POSITIVE_INFINITY
  const row =
    (title: string, unit: Figure['unit'], value: (server: Server) => Promise<number>): Row =>
    async (server) => ({ title, unit, value: await value(server) })
  return [
    row('GetCapabilities, 64 in flight', '/s', (server) => rate(64, endless, (turn) => ask(on(server, turn)))),
    row('a new connection and one call, 8 at once', '/s', ({ url, tls }) =>
      rate(8, endless, async () => {
        const channel = openDirectChannel(url, { tls })
        await ask(channel)
        channel.close()
      }),
    ),
    row('ByteStream.Read 1 KiB, 64 in flight', '/s', (server) =>
      rate(64, endless, (turn) => read(on(server, turn), small)),
    ),
    row(
      'ByteStream.Read 16 MiB, 1 in flight',
      'MB/s',
      async (server) => 16 * (await rate(1, endless, (turn) => read(on(server, turn), large))),
    ),
    row('ByteStream.Write, fresh, 1 KiB, 64 in flight', '/s', (server) => {
      const blobs = Array.from({ length: 20_000 }, () => fresh(1024))
      return rate(64, blobs.length, (turn) => write(on(server, turn), blobs[turn] as Blob))
    }),
    row('ByteStream.Write, fresh, 16 MiB, 4 in flight', 'MB/s', async (server) => {
      const blobs = Array.from({ length: 24 }, () => fresh(16 * mib))
      return 16 * (await rate(4, blobs.length, (turn) => write(on(server, turn), blobs[turn] as Blob)))
    }),
  ]
}

const machine = machineText()
const began = performance.now()
const place = createServerPlace()
const peers: BazelRemote[] = []
try {
  const folder = join(place.folder, 'tls')
  await ensureOwnCertificates(folder, [])
  const trust = await openClientTls({ ca: ownCertificates(folder).ca })
  const called = (name: string, address: string, tls?: ClientTls): Server => {
    const url = `${tls ? 'grpcs' : 'grpc'}://${address}`
    const channels = Array.from({ length: connections }, () => openDirectChannel(url, { tls }))
    return { name, url, tls, channels }
  }
  const start = async (name: string, tls?: ClientTls): Promise<Server> => {
    const store = { kind: 'disk', path: join(place.folder, name), size: '16GiB' }
    const { address } = await place.start('cas', { store, ...(tls && { tls: { auto: folder } }) })
    return called(name, address, tls)
  }
  const startPeer = async (name: string, peer: string, tls?: ClientTls): Promise<Server> => {
    const { ca, server } = ownCertificates(folder)
    const data = join(place.folder, name)
    const started = await startBazelRemote(peer, { folder: data, ...(tls && { tls: { ...server, ca } }) })
    peers.push(started)
    return called(name, started.grpc, tls)
  }
  const servers = [await start('TLS', trust), await start('plain')]
  const program = await bazelRemoteProgram()
  if (program !== undefined)
    servers.push(await startPeer('bazel-remote TLS', program, trust), await startPeer('bazel-remote plain', program))
  const [small, large] = [fresh(1024), fresh(16 * mib)]
  for (const { channels } of servers) for (const blob of [small, large]) await write(channels[0] as Channel, blob)
  const results = createResults(
    servers.map(({ name }) => name),
    ['Throughput'],
  )
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1)
    for (const row of rowsFor(small, large))
      for (const server of servers.toSorted(() => Math.random() - 0.5)) {
        const figure = await row(server)
        if (round > 0) results.note(server.name, [{ section: 'Throughput', ...figure }])
      }
  for (const { channels } of servers) for (const each of channels) each.close()
  const spent = `${rounds} rounds in ${Math.round((performance.now() - began) / 1000)} s`
  const today = new Date().toISOString().slice(0, 10)
  const text = `- ${today}, ${spent}: \`node test/bench/tls.ts --write ${rounds} ${seconds}\`\n- ${machine}\n\n${results.text()}`
  process.stdout.write(`${text}\n`)
  if (words.includes('--write')) writeSection(join(import.meta.dirname, 'RESULTS.md'), 'TLS beside plain text', text)
} finally {
  for (const peer of peers) await peer.stop()
  await place.dispose()
}
