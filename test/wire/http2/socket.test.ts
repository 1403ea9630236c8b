import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { readShared } from '../../../src/wire/http2/socket.ts'
import { listen } from '../../../src/wire/server.ts'
import { service } from '../fixture.ts'
import { frame as message, rawCall, rawSession } from '../raw-client.ts'

test('connections beyond the limit are closed, and taken again once another has ended', async () => {
  const echo = service({ Echo: { kind: 'unary', handle: (request) => request } })
  const server = await listen([echo], { address: '127.0.0.1:0', connectionsMax: 1 })
  const works = async () => {
    const session = await rawSession(server.address)
    expect(await rawCall(session, 'Echo', [message(Buffer.from('x'))])).toMatchObject({ grpcStatus: '0' })
    return session
  }
  const first = await works()
  const second = connect(Number(server.address.split(':').at(-1)), '127.0.0.1')
  await once(second, 'close')
  first.destroy()
  const again = () =>
    works().then(
      (session) => session.destroy(),
      () => 'closed',
    )
  await expect.poll(again).toBeUndefined()
  await server.close()
})

test('without a handle a connection is read in the usual way', async () => {
  const stream = new PassThrough()
  const read = new Promise((resolve) => {
    const socket = readShared(stream as unknown as Socket, (chunk) => resolve(chunk.toString()))
    expect(socket).toBe(stream)
  })
  stream.write('hello')
  expect(await read).toBe('hello')
})
