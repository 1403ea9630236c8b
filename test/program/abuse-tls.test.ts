import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseHostPort } from '../../src/core/address.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { type ClientTls, openClientTls } from '../../src/wire/tls/client-tls.ts'
import { findMissing } from '../cache/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { createServerPlace, expectSound, type ServerPlace, type TestServer } from '../fixture/servers.ts'

/** A cache at rest, 2,000 handshakes of 30 KiB, and what as many more take until they are closed. */
const memoryMbMax = 600
const connections = 10_000
/** The beginning of a record that promises more than comes. */
const half = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])

describe('a cache with TLS under attack', () => {
  let place: ServerPlace
  let server: TestServer
  let tls: ClientTls
  const sockets: Socket[] = []

  beforeAll(async () => {
    place = createServerPlace()
    const folder = join(place.folder, 'tls')
    server = await place.start('cas', { store: { kind: 'memory', size: '100MB' }, tls: { auto: folder } })
    tls = await openClientTls({ ca: join(folder, 'ca.pem') })
  })
  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    tls?.close()
    await place.dispose()
  })

  /** A new connection of somebody else finds the blob missing. */
  async function isServed(): Promise<void> {
    const channel = openDirectChannel(`grpcs://${server.address}`, { tls })
    const { digest } = blobOf(Buffer.from('of nobody'))
    expect((await findMissing(channel, [digest])).missingBlobDigests).toHaveLength(1)
    channel.close()
  }

  test('holds a part of 10,000 handshakes that nobody finishes, and serves others meanwhile', async () => {
    let closed = 0
    const { host, port } = parseHostPort(server.address)
    for (let at = 0; at < connections; at += 1) {
      const socket = connect(port, host)
      sockets.push(socket)
      socket.on('close', () => {
        closed += 1
      })
      socket.on('error', () => undefined)
      socket.resume().write(half)
      if (at % 250 === 0) await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', resolve))
      if (at % 2500 === 0) await isServed()
    }
    await isServed()
    // What is not held is closed at once, the rest after its time.
    await expect.poll(() => closed, { timeout: 60_000, interval: 100 }).toBe(connections)
    await isServed()
    expectSound(server, memoryMbMax)
  }, 120_000)
})
