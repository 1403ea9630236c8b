import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { preface, Setting } from '../../src/wire/http2/protocol.ts'
import { bytestream, re } from '../../src/wire/proto.ts'
import {
  batchRead,
  batchUpdate,
  blobName,
  cas,
  findMissing,
  noise,
  streams,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from '../cache/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { createServerPlace, expectSound, type ServerPlace, type TestServer } from '../fixture/servers.ts'
import { data, headers, openPeer, type Peer, requestFields, settings } from '../wire/http2/peer.ts'
import { frame } from '../wire/raw-client.ts'

/** 192 MiB of answers for one address, a copy of what is made just now, 40,000 calls that wait, and the server at rest. */
const memoryMbMax = 800
const blobs = Array.from({ length: 4 }, (_, i) => blobOf(noise(1_000_000, i)))
const sound = blobOf('sound')

describe('memory that clients share', () => {
  let place: ServerPlace
  let server: TestServer
  const peers: Peer[] = []

  beforeAll(async () => {
    place = createServerPlace()
    server = await place.start('cas', { store: { kind: 'disk', path: `${place.folder}/store`, size: '2GB' } })
    for (const { digest, bytes } of [...blobs, sound])
      await batchUpdate(server.channel, { requests: [{ digest: wire(digest), data: bytes }] })
  })
  afterEach(() => {
    for (const { socket } of peers.splice(0)) socket.destroy()
    expectSound(server, memoryMbMax)
  })
  afterAll(() => place.dispose())

  /** A client that takes nothing of any answer. */
  async function deafPeer(address = server.address): Promise<Peer> {
    const peer = await openPeer(address, [preface, settings([Setting.INITIAL_WINDOW_SIZE, 0])])
    peers.push(peer)
    return peer
  }

  const batch = frame(re.BatchReadBlobsRequest.encode({ digests: blobs.map(({ digest }) => wire(digest)) }).finish())

  test('H1: 40 connections ask for 1,000 batches of 4 MB each and take nothing; others are served, and the memory comes back', async () => {
    for (let c = 0; c < 40; c += 1) {
      const peer = await deafPeer()
      const path = `/${cas}/BatchReadBlobs`
      peer.send(
        ...Array.from({ length: 1000 }, (_, i) => [
          headers(1 + 2 * i, withPath(path)),
          data(1 + 2 * i, batch, true),
        ]).flat(),
      )
    }
    const honest = openChannel(`grpc://${server.address}`)
    expect((await findMissing(honest, [sound.digest])).missingBlobDigests).toEqual([])
    // Nothing is left for it at once: whoever stands still has to make way.
    const { responses } = await batchRead(honest, { digests: blobs.map(({ digest }) => wire(digest)) })
    expect(responses.map(({ data: each }) => each?.length)).toEqual(blobs.map(({ digest }) => digest.size))
    honest.close()
    expect(server.memory().peakMb).toBeLessThan(memoryMbMax)
    for (const { socket } of peers.splice(0)) socket.destroy()
    await eventually(
      async () => server.memory().nowMb,
      (nowMb) => nowMb < 150,
      60_000,
    )
  }, 120_000)

  test('H2: 800 messages that stand incomplete on 3 connections take no room from others’ uploads', async () => {
    const large = frame(Buffer.alloc(4_000_000)).subarray(0, 90_000)
    for (let c = 0; c < 3; c += 1) {
      const peer = await deafPeer()
      for (let i = 0; i < 266; i += 1) {
        const id = 1 + 2 * i
        peer.send(headers(id, withPath(`/${cas}/BatchUpdateBlobs`)))
        for (let at = 0; at < large.length; at += 16_384) peer.send(data(id, large.subarray(at, at + 16_384)))
      }
    }
    const fresh = blobOf(noise(3_000_000, 9))
    for (let i = 0; i < 5; i += 1) {
      const name = uploadName(fresh.digest)
      expect(await writeMessages(server.channel, writeRequests(name, fresh.bytes, 1_000_000))).toBe(fresh.digest.size)
    }
  }, 120_000)

  test('S4: reads that nobody takes give the room of evicted blobs back when others need it', async () => {
    const small = await place.start('cas', { store: { kind: 'disk', path: `${place.folder}/small`, size: '100MB' } })
    const old = Array.from({ length: 23 }, (_, i) => blobOf(noise(4_000_000, 100 + i)))
    const upload = ({ digest, bytes }: (typeof old)[number]) =>
      writeMessages(small.channel, writeRequests(uploadName(digest), bytes, 1_000_000))
    for (const each of old) await upload(each)
    const peer = await deafPeer(small.address)
    for (const [i, { digest }] of old.entries()) {
      const request = bytestream.ReadRequest.encode({ resourceName: blobName(digest) }).finish()
      peer.send(headers(1 + 2 * i, withPath(`/${streams}/Read`)), data(1 + 2 * i, frame(request), true))
    }
    for (let i = 0; i < old.length; i += 1) await peer.until(({ type, id }) => type === 1 && id === 1 + 2 * i)
    for (let i = 0; i < 5; i += 1) {
      const fresh = blobOf(noise(4_000_000, 200 + i))
      await eventually(
        () => upload(fresh).catch(() => -1),
        (size) => size === fresh.digest.size,
        40_000,
      )
    }
    const { payload } = await peer.until(({ type, flags }) => type === 1 && (flags & 1) !== 0)
    expect(payload.toString('latin1')).toContain('others needed the memory')
  }, 120_000)
})

function withPath(path: string) {
  return requestFields.map(([name, value]) => [name, name === ':path' ? path : value] as const)
}
