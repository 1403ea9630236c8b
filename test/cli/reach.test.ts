import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { addressesAnswering } from '../../src/cli/reach.ts'
import { makeAuthority } from '../fixture/certificates.ts'

async function addressOf(server: Server): Promise<string> {
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a certificate of an unknown authority is told as that, with the flag that names the authority', async () => {
  const authority = await makeAuthority()
  onTestFinished(() => authority.remove())
  const { cert, key } = await authority.issue('server')
  const options = { cert: await readFile(cert), key: await readFile(key), ALPNProtocols: ['h2'] }
  const address = await addressOf(createTlsServer(options))
  await expect(addressesAnswering({ address: `grpcs://${address}` })).rejects.toMatchObject({
    kind: 'unavailable',
    message: `no TLS with ${address}: its certificate is signed by an authority that is not trusted`,
    where: '--address',
    next: [expect.stringContaining('--tls-ca')],
  })
})

test('a server without TLS is told as that', async () => {
  const address = await addressOf(createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  await expect(addressesAnswering({ address: `grpcs://${address}` })).rejects.toMatchObject({
    message: `no TLS with ${address}: it does not speak TLS here: write grpc:// for a server without TLS`,
    next: [],
  })
})
