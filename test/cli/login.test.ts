import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { assertTaken, loginTarget, serverUrl } from '../../src/cli/login.ts'
import { isReadable } from '../../src/core/address.ts'
import { guardedServer, testDoor, testTokens } from '../access/fixture.ts'
import { openTestConsole } from '../console/fixture.ts'
import { makeAuthority } from '../fixture/certificates.ts'
import { testFolder } from '../fixture/folder.ts'

test.each([
  ['build.example.com:50052', 'grpc://build.example.com:50052', true],
  ['http://10.0.0.7:1', 'grpc://10.0.0.7:1', true],
  ['grpcs://build.example.com', 'grpcs://build.example.com:443', false],
  ['https://build.example.com:50051', 'grpcs://build.example.com:50051', false],
  ['localhost:50052', 'grpc://localhost:50052', false],
  ['[::1]:50052', 'grpc://[::1]:50052', false],
] as const)('%s is %s, and a token on its way there can be read: %s', (text, url, readable) => {
  expect(serverUrl(text)).toBe(url)
  expect(isReadable(serverUrl(text))).toBe(readable)
})

test.each(['unix:/run/native.sock', 'build.example.com:0', 'ftp://build.example.com', ''])(
  '"%s" is refused',
  (text) => {
    expect(() => serverUrl(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  },
)

test('certificates beside an address without TLS are refused, before the token could go there', () => {
  expect(() => loginTarget('build.example.com:50052', { ca: '/ca.pem' })).toThrow(
    expect.objectContaining({ kind: 'invalid', next: [expect.stringContaining('grpcs://build.example.com:50052')] }),
  )
  const shown = { ca: '/ca.pem', cert: '/a.pem', key: '/a.key' }
  const url = 'grpcs://build.example.com:50052'
  expect(loginTarget(url, shown)).toEqual({ url, tls: shown })
})

describe('a server that cannot be asked', () => {
  const asked = (url: string) => assertTaken({ url }, 'native_x', new AbortController().signal)

  test('has a certificate of an unknown authority: the flag that names it is told', async () => {
    const authority = await makeAuthority()
    onTestFinished(() => authority.remove())
    const { cert, key } = await authority.issue('server')
    const options = { cert: await readFile(cert), key: await readFile(key), ALPNProtocols: ['h2'] }
    const server = createTlsServer(options)
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `grpcs://127.0.0.1:${(server.address() as AddressInfo).port}`
    await expect(asked(url)).rejects.toMatchObject({
      kind: 'unavailable',
      where: url,
      next: [expect.stringContaining('--tls-ca')],
    })
  })

  test('does not run: that is told in words', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    await expect(asked(`grpc://127.0.0.1:${port}`)).rejects.toMatchObject({
      message: `no server answers at 127.0.0.1:${port}: nothing listens there`,
    })
  })
})

describe('a console', () => {
  async function taken(role: 'reader' | 'runner' | 'worker', instances?: string[]) {
    const { file, tokens } = await testTokens({ name: 'ci', role, ...(instances && { instances }) })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const town = openTestConsole({ folder: await testFolder() })
    onTestFinished(() => town.close())
    const { address } = await guardedServer(town.console.services, door)
    return await assertTaken({ url: `grpc://${address}` }, tokens[0] ?? '', new AbortController().signal)
  }

  test('takes a token for everything', async () => {
    expect(await taken('reader')).toBe('everything')
  })

  test('takes one that is limited to instances for what its builds tell', async () => {
    expect(await taken('runner', ['ci'])).toBe('events of builds')
  })

  test('refuses one that it takes for nothing, and says what to do', async () => {
    await expect(taken('reader', ['ci'])).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('without --instance'),
    })
    await expect(taken('worker')).rejects.toMatchObject({ kind: 'denied' })
  })
})
