import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { type Channel, Code, type Service } from '../../src/wire/rpc.ts'
import { sameUserOnly, tellsUsers, userOf } from '../../src/wire/same-user.ts'
import { listen } from '../../src/wire/server.ts'
import { asAnother, canBeAnother } from '../fixture/second-account.ts'

const own = process.getuid?.()
const linux = process.platform === 'linux'

/** A server that counts its calls. */
async function opened(address = '127.0.0.1:0', admitted = true) {
  const touched: string[] = []
  const service: Service = {
    name: 'test.Test',
    methods: {
      Touch: {
        kind: 'unary',
        handle(_, { peer }) {
          touched.push(peer)
          return Buffer.from('touched')
        },
      },
    },
  }
  const admit = admitted ? await sameUserOnly() : async () => false
  const server = await listen([service], { address, admit })
  onTestFinished(() => server.close())
  return { address: server.address, touched }
}

const touch = (channel: Channel) => channel.unary('test.Test/Touch', Buffer.alloc(0))

describe.runIf(linux)('a private server', () => {
  test.each(['127.0.0.1:0', '[::1]:0'])('at %s serves its own user, on any number of connections', async (address) => {
    const server = await opened(address)
    const channels = Array.from({ length: 100 }, () => openDirectChannel(`grpc://${server.address}`))
    onTestFinished(() => {
      for (const channel of channels) channel.close()
    })
    const answers = await Promise.all(channels.map(touch))
    expect(answers.map(String)).toEqual(channels.map(() => 'touched'))
    expect(new Set(server.touched).size).toBe(100)
  })

  test.runIf(canBeAnother)('serves no other account, and says why', async () => {
    const server = await opened()
    const got = await asAnother('touch.ts', server.address)
    expect(got).toMatchObject({ uid: 65534, code: Code.PERMISSION_DENIED, message: expect.stringContaining('private') })
    expect(server.touched).toEqual([])
  })

  test('ends the connections of those whom it does not admit', async () => {
    const server = await opened('127.0.0.1:0', false)
    const channel = openChannel(`grpc://${server.address}`)
    onTestFinished(() => channel.close())
    await expect(touch(channel)).rejects.toMatchObject({ code: Code.PERMISSION_DENIED })
    const silent = connect(Number(server.address.split(':')[1]), '127.0.0.1')
    await new Promise((resolve) => silent.once('close', resolve))
  })
})

describe.runIf(linux)('whose a connection is', () => {
  async function pair(listenAt: string, connectTo: string): Promise<{ server: Socket; client: Socket }> {
    const listening = createServer({ pauseOnConnect: true })
    await new Promise<void>((resolve) => listening.listen(0, listenAt, resolve))
    const arrived = new Promise<Socket>((resolve) => listening.once('connection', resolve))
    const client = connect((listening.address() as AddressInfo).port, connectTo)
    const server = await arrived
    onTestFinished(() => {
      for (const socket of [client, server]) socket.destroy()
      listening.close()
    })
    return { server, client }
  }

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::', '127.0.0.1'],
    ['::', '::ffff:127.0.0.1'],
    ['0.0.0.0', '127.8.9.10'],
  ])('is told for one at %s from %s, from either end', async (listenAt, connectTo) => {
    const { server, client } = await pair(listenAt, connectTo)
    expect(await userOf(server)).toBe(own)
    expect(await userOf(client)).toBe(own)
  })

  test('is not told once its owner has closed it, nor of one that is not of this machine', async () => {
    const { server, client } = await pair('127.0.0.1', '127.0.0.1')
    client.end()
    await new Promise((resolve) => client.once('finish', resolve))
    expect(await userOf(server)).toBeUndefined()
    const elsewhere = { localAddress: '127.0.0.1', localPort: 1, remoteAddress: '192.0.2.1', remotePort: 2 }
    expect(await userOf(elsewhere)).toBeUndefined()
    expect(await userOf({ ...elsewhere, remoteAddress: 'fe80::1%lo' })).toBeUndefined()
    expect(await userOf({ ...elsewhere, remoteAddress: 'no address' })).toBeUndefined()
    expect(await userOf({})).toBeUndefined()
  })
})

test.runIf(!linux)('where the system does not tell, a server cannot be private', async () => {
  expect(await tellsUsers()).toBe(false)
  await expect(sameUserOnly()).rejects.toMatchObject({ kind: 'unimplemented' })
})
