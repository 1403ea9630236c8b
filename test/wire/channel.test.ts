import { describe, expect, test } from 'vitest'
import { openChannel as openGrpcChannel } from '../../src/wire/channel.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { Code } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { service } from './fixture.ts'

const echo = [service({ Echo: { kind: 'unary', handle: (request) => request } })]

describe.each([
  ['grpc-js', openGrpcChannel],
  ['our own', openDirectChannel],
])('a channel on %s', (_, openChannel) => {
  test('an address of another form is invalid', () => {
    for (const url of ['', '127.0.0.1:1', 'http://127.0.0.1:1', 'grpc://', 'grpc://a b:1', 'grpc://host:'])
      expect(() => openChannel(url)).toThrow(expect.objectContaining({ kind: 'invalid', where: url }))
  })

  test('nobody there is UNAVAILABLE, and a server that comes later is found', async () => {
    const first = await listen(echo, { address: '127.0.0.1:0' })
    await first.close()
    const channel = openChannel(`grpc://${first.address}`)
    await expect(channel.unary('test.Service/Echo', Buffer.alloc(0))).rejects.toMatchObject({ code: Code.UNAVAILABLE })
    const second = await listen(echo, { address: first.address })
    await expect
      .poll(() => channel.unary('test.Service/Echo', Buffer.from('x')).then(String, ({ code }) => code), {
        timeout: 5000,
      })
      .toBe('x')
    channel.close()
    await second.close()
  })

  test('a server on IPv6 is reached too', async ({ skip }) => {
    const server = await listen(echo, { address: '[::1]:0' }).catch(() => skip('no IPv6 here'))
    const channel = openChannel(`grpc://${server.address}`)
    expect(server.address).toMatch(/^\[::1\]:\d+$/)
    expect((await channel.unary('test.Service/Echo', Buffer.from('six'))).toString()).toBe('six')
    channel.close()
    await server.close()
  })

  test('the limit on what is received is the channel’s to set', async () => {
    const server = await listen([service({ Large: { kind: 'unary', handle: () => Buffer.alloc(5_000_000) } })], {
      address: '127.0.0.1:0',
    })
    const usual = openChannel(`grpc://${server.address}`)
    const larger = openChannel(`grpc://${server.address}`, { receiveBytesMax: 6_000_000 })
    await expect(usual.unary('test.Service/Large', Buffer.alloc(0))).rejects.toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
    })
    expect(await larger.unary('test.Service/Large', Buffer.alloc(0))).toHaveLength(5_000_000)
    usual.close()
    larger.close()
    await server.close()
  })
})
