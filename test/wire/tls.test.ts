import { appendFile, chmod, copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectSecure } from 'node:tls'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import type { HttpHandler } from '../../src/wire/http.ts'
import { type Channel, Code } from '../../src/wire/rpc.ts'
import { type ListenOptions, listen } from '../../src/wire/server.ts'
import { type ClientTlsFiles, openClientTls } from '../../src/wire/tls/client-tls.ts'
import { openServerTls, type ServerTlsFiles } from '../../src/wire/tls/server-tls.ts'
import { type Authority, type CertificateFiles, makeAuthority } from '../fixture/certificates.ts'
import { selfSigned } from '../fixture/self-signed.ts'
import { gate, pattern, service } from './fixture.ts'
import { transportSuite } from './transport-suite.ts'

let ours: Authority
let theirs: Authority
let good: CertificateFiles

beforeAll(async () => {
  ;[ours, theirs] = await Promise.all([makeAuthority(), makeAuthority('Another authority')])
  good = await ours.issue('server')
})
afterAll(async () => {
  await Promise.all([ours.remove(), theirs.remove()])
})

interface Line {
  readonly message: string
  readonly fields: object
}

/** A log that can be looked at. */
function keptLog() {
  const lines: Line[] = []
  const add = (message: string, fields: object = {}) => {
    lines.push({ message, fields })
  }
  return { lines, info: add, warn: add, error: add, text: () => lines.map(({ message }) => message).join('\n') }
}

const lookMs = 20
const echo = [service({ Echo: { kind: 'unary', handle: (request) => Buffer.from(request) } })]
const hello: HttpHandler = async (exchange) => {
  exchange.respond(200, { 'content-length': '6' })
  await exchange.write(Buffer.from('hello\n'))
}

async function serve(files: Partial<ServerTlsFiles> = {}, options: Partial<ListenOptions> = {}) {
  const log = keptLog()
  const tls = await openServerTls({ ...good, ...files }, log, lookMs)
  const server = await listen(echo, { address: '127.0.0.1:0', tls, log, http: hello, ...options })
  onTestFinished(() => server.close())
  return { address: server.address, port: Number(server.address.split(':').at(-1)), log, server }
}

async function servePlain() {
  const log = keptLog()
  const server = await listen(echo, { address: '127.0.0.1:0', log, http: hello })
  onTestFinished(() => server.close())
  return { address: server.address, log }
}

async function channelTo(url: string, files: ClientTlsFiles = { ca: ours.ca }): Promise<Channel> {
  const tls = await openClientTls(files)
  const channel = openDirectChannel(url, { tls })
  onTestFinished(() => {
    channel.close()
    tls.close()
  })
  return channel
}

async function said(channel: Channel): Promise<string> {
  return String(await channel.unary('test.Service/Echo', Buffer.from('hello')))
}

async function refused(channel: Channel): Promise<{ code: Code; message: string }> {
  return said(channel).then(
    () => {
      throw new Error('the call went through')
    },
    (error) => error,
  )
}

transportSuite('over TLS', async (services) => {
  const tls = await openServerTls(good, keptLog())
  const server = await listen(services, { address: '127.0.0.1:0', tls })
  const channel = openChannel(`grpcs://${server.address}`, { tls: await openClientTls({ ca: ours.ca }) })
  return {
    channel,
    async close() {
      channel.close()
      await server.close()
    },
  }
})

describe('a server with TLS', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s, HTTP/2 and HTTP/1.1 by ALPN or without', async (version) => {
    const { port } = await serve()
    const ca = await readFile(ours.ca)
    for (const [offered, chosen] of [
      [['h2'], 'h2'],
      [['h2', 'http/1.1'], 'http/1.1'],
      [['http/1.1'], 'http/1.1'],
      [[], false],
    ] as const) {
      const socket = connectSecure({
        host: '127.0.0.1',
        port,
        ca,
        ALPNProtocols: [...offered],
        minVersion: version,
        maxVersion: version,
      })
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
      expect([socket.alpnProtocol, socket.getProtocol()]).toEqual([chosen, version])
      const answer = gate<Buffer>()
      socket.once('data', answer.open)
      socket.write(
        chosen === 'h2' ? 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0' : 'GET / HTTP/1.1\r\nhost: h\r\n\r\n',
      )
      const text = (await answer.opened).toString('latin1')
      // A frame of settings, or a status line.
      if (chosen === 'h2') expect(text.charCodeAt(3)).toBe(4)
      else expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
      socket.destroy()
    }
  })

  test('speaks no older version', async () => {
    const { port, log } = await serve()
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']
    const { exitCode } = await execa('openssl', args, { reject: false, input: '' })
    expect(exitCode).not.toBe(0)
    await expect.poll(log.text).toMatch(/a TLS handshake failed: it offers no version of TLS that is taken here/)
  })

  test('is served by curl over HTTP/1.1', async () => {
    const { port } = await serve()
    const { stdout } = await execa('curl', ['-sS', '--cacert', ours.ca, `https://localhost:${port}/`])
    expect(stdout).toBe('hello')
  })

  test('tells a client without TLS what to write, in HTTP/2 and in HTTP/1.1', async () => {
    const { address, log } = await serve()
    for (const open of [openChannel, openDirectChannel]) {
      const channel = open(`grpc://${address}`)
      onTestFinished(() => channel.close())
      expect(await refused(channel)).toMatchObject({
        code: Code.FAILED_PRECONDITION,
        message: 'this address speaks TLS: write grpcs:// or https:// before it',
      })
    }
    const { stdout } = await execa('curl', ['-sS', '-w', '%{http_code}', `http://${address}/`])
    expect(stdout).toBe('this address speaks TLS: write grpcs:// or https:// before it\n400')
    expect(log.text()).toBe('this address speaks TLS: write grpcs:// or https:// before it')
  })

  test('lets through what one connection sends in pieces, and megabytes of it', async () => {
    const { address } = await serve()
    const channel = await channelTo(`grpcs://${address}`)
    const large = pattern(3_000_000)
    const answers = await Promise.all(Array.from({ length: 8 }, () => channel.unary('test.Service/Echo', large)))
    for (const answer of answers) expect(answer.equals(large)).toBe(true)
  })

  test('says of a client that turns its certificate down why it did', async () => {
    const { port, log } = await serve()
    await execa('curl', ['-sS', '--cacert', theirs.ca, `https://localhost:${port}/`], { reject: false })
    await expect.poll(log.text).toMatch(/a TLS handshake failed: it does not trust the authority/)
  })

  test('drains and closes as without TLS', async () => {
    const { server, address } = await serve()
    const channel = await channelTo(`grpcs://${address}`)
    expect(await said(channel)).toBe('hello')
    await server.drain(10_000)
    expect(await refused(channel)).toMatchObject({ code: Code.UNAVAILABLE })
  })
})

test('a client of TLS on a plain port hears that there is none, and the log says it', async () => {
  const { address, log } = await servePlain()
  const channel = await channelTo(`grpcs://${address}`)
  expect(await refused(channel)).toMatchObject({
    code: Code.UNAVAILABLE,
    message: `${address}: it does not speak TLS here: write grpc:// for a server without TLS`,
  })
  expect(log.text()).toBe('a client spoke TLS, and this address speaks without')
})

test('a plain client that gets an alert of TLS for an answer says what to write', async () => {
  // fatal, protocol_version: as servers of Go answer.
  const alert = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])
  const server = createServer((socket) => socket.on('error', () => undefined).end(alert))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const channel = openDirectChannel(`grpc://${address}`)
  onTestFinished(() => channel.close())
  expect((await refused(channel)).message).toBe(`${address}: it speaks TLS: write grpcs:// before it`)
})

describe('a client says what is wrong with a server’s certificate', () => {
  async function messageOf(files: CertificateFiles, trusted: ClientTlsFiles = { ca: ours.ca }): Promise<string> {
    const { port } = await serve(files)
    const error = await refused(await channelTo(`grpcs://127.0.0.1:${port}`, trusted))
    expect(error.code).toBe(Code.UNAVAILABLE)
    return error.message.replace(`127.0.0.1:${port}: `, '')
  }

  test('that has expired', async () => {
    expect(await messageOf(await ours.issue('old', { fromDays: -9, toDays: -1 }))).toBe('its certificate has expired')
  })

  test('that is not valid yet', async () => {
    expect(await messageOf(await ours.issue('young', { fromDays: 1 }))).toBe(
      'its certificate is not valid yet: is the clock of one of the two machines wrong?',
    )
  })

  test('that is for another host', async () => {
    expect(await messageOf(await ours.issue('other', { names: 'DNS:build.example.com' }))).toBe(
      'its certificate is for another name: for build.example.com',
    )
  })

  test('that nobody else has signed', async () => {
    const { certificate, key } = await selfSigned(ours.folder)
    expect(await messageOf({ cert: certificate, key })).toBe(
      'its certificate is signed by itself, and is not among the trusted ones',
    )
  })

  test('whose authority is another one, or none of this system', async () => {
    const unknown = 'its certificate is signed by an authority that is not trusted'
    expect(await messageOf(good, { ca: theirs.ca })).toBe(unknown)
    expect(await messageOf(good, {})).toBe(unknown)
  })

  test('and accepts one that is signed by itself and trusted', async () => {
    const { certificate, key } = await selfSigned(theirs.folder)
    const { address } = await serve({ cert: certificate, key })
    expect(await said(await channelTo(`grpcs://${address}`, { ca: certificate }))).toBe('hello')
  })
})

describe('client certificates', () => {
  test('are required where that is asked, and each refusal says why', async () => {
    const { address } = await serve({ clientCa: [ours.ca], clientsRequired: true })
    const url = `grpcs://${address}`
    const [client, expired, stranger] = await Promise.all([
      ours.issue('client', { use: 'clientAuth' }),
      ours.issue('former', { use: 'clientAuth', fromDays: -9, toDays: -1 }),
      theirs.issue('stranger', { use: 'clientAuth' }),
    ])
    const as = (files: Partial<CertificateFiles>) => channelTo(url, { ca: ours.ca, ...files })
    expect(await said(await as(client))).toBe('hello')
    expect(await refused(await as({}))).toMatchObject({
      code: Code.UNAUTHENTICATED,
      message: 'this server asks for a client certificate, and none was shown',
    })
    expect(await refused(await as(expired))).toMatchObject({
      code: Code.UNAUTHENTICATED,
      message: 'the client certificate is not accepted: it has expired',
    })
    expect(await refused(await as(stranger))).toMatchObject({
      code: Code.UNAUTHENTICATED,
      message: 'the client certificate is not accepted: it is signed by an authority that is not trusted',
    })
    const { stdout } = await execa('curl', ['-sS', '--cacert', ours.ca, '-w', '%{http_code}', `https://${address}/`])
    expect(stdout).toBe('this server asks for a client certificate, and none was shown\n400')
  })

  test('may be shown where they are asked for, and a bad one is refused all the same', async () => {
    const { address } = await serve({ clientCa: [theirs.ca] })
    const stranger = await ours.issue('client', { use: 'clientAuth' })
    const as = (files: Partial<CertificateFiles>) => channelTo(`grpcs://${address}`, { ca: ours.ca, ...files })
    expect(await said(await as({}))).toBe('hello')
    expect(await said(await as(await theirs.issue('known', { use: 'clientAuth' })))).toBe('hello')
    expect(await refused(await as(stranger))).toMatchObject({ code: Code.UNAUTHENTICATED })
  })
})

describe('files', () => {
  const openNow = (files: Partial<ServerTlsFiles>) => openServerTls({ ...good, ...files }, keptLog())

  test('that are missing, broken off or do not fit are one clear error each', async () => {
    const other = await ours.issue('other-key')
    const text = await readFile(good.cert, 'utf8')
    const path = (name: string) => join(ours.folder, name)
    await writeFile(path('cut.pem'), text.slice(0, text.length / 2))
    await writeFile(path('rubbish.pem'), text.replace(/[A-Za-z0-9]{20}/, '!'.repeat(20)))
    await writeFile(path('empty.pem'), '')
    await writeFile(path('cut.key'), (await readFile(good.key, 'utf8')).slice(0, 60))
    await execa('openssl', ['pkey', '-in', good.key, '-aes256', '-passout', 'pass:secret', '-out', path('locked.key')])
    const cases: readonly [Partial<ServerTlsFiles>, object][] = [
      [{ cert: path('none.pem') }, { kind: 'not-found', where: path('none.pem') }],
      [{ key: path('none.key') }, { kind: 'not-found', where: path('none.key') }],
      [
        { cert: path('cut.pem') },
        { kind: 'invalid', message: 'the certificate: the PEM data in the file is truncated' },
      ],
      [{ cert: path('empty.pem') }, { kind: 'invalid', message: 'the certificate: the file has no certificate in it' }],
      [
        { cert: path('rubbish.pem') },
        { kind: 'invalid', message: 'the certificate: the file contains a certificate that cannot be read' },
      ],
      [
        { key: path('cut.key') },
        { kind: 'invalid', message: 'the private key: the PEM data in the file is truncated' },
      ],
      [{ key: good.cert }, { kind: 'invalid', message: 'the file has no private key in it', where: good.cert }],
      [
        { key: path('locked.key') },
        { kind: 'invalid', message: 'the private key has a passphrase, and there is no one to enter it' },
      ],
      [
        { key: other.key },
        {
          kind: 'invalid',
          message: `the private key does not belong to the certificate in ${good.cert}`,
          where: other.key,
        },
      ],
      [
        { clientCa: [path('empty.pem')] },
        { kind: 'invalid', message: 'the certificate of the authority: the file has no certificate in it' },
      ],
    ]
    for (const [files, error] of cases) await expect(openNow(files)).rejects.toMatchObject(error)
    await expect(openClientTls({ cert: good.cert })).rejects.toMatchObject({ kind: 'invalid', where: good.cert })
  })

  test('that others can read, or whose time is over, are warned of', async () => {
    const old = await ours.issue('ancient', { fromDays: -9, toDays: -1 })
    await chmod(old.key, 0o644)
    const log = keptLog()
    const tls = await openServerTls(old, log)
    tls.close()
    expect(log.text()).toContain(`everyone on this machine can read the private key ${old.key}`)
    expect(log.text()).toContain(`the certificate ${old.cert} expired on`)
    expect(log.text()).not.toContain('PRIVATE KEY-----')
  })

  test('are read again when they change; a pair that does not fit leaves the old one in place', async () => {
    const place = (name: string) => join(ours.folder, `served-${name}`)
    await copyFile(good.cert, place('cert'))
    await copyFile(good.key, place('key'))
    const { address, log } = await serve({ cert: place('cert'), key: place('key') })
    const open = await channelTo(`grpcs://${address}`)
    expect(await said(open)).toBe('hello')
    const next = await theirs.issue('next')
    const swap = async (from: string, to: string) => {
      await copyFile(from, `${to}.new`)
      await rename(`${to}.new`, to)
    }
    await swap(next.cert, place('cert'))
    await expect
      .poll(log.text)
      .toMatch(/could not be read again, and the previous one stays in use: the private key does not belong/)
    expect(await said(await channelTo(`grpcs://${address}`))).toBe('hello')
    await swap(next.key, place('key'))
    await expect.poll(log.text).toMatch(/the certificate was read again/)
    expect(await said(await channelTo(`grpcs://${address}`, { ca: theirs.ca }))).toBe('hello')
    expect((await refused(await channelTo(`grpcs://${address}`))).message).toMatch(/an authority that is not trusted/)
    // Those who are there go on.
    expect(await said(open)).toBe('hello')
    await appendFile(place('cert'), '-----BEGIN CERTIFICATE-----\nMII')
    await expect
      .poll(log.text)
      .toMatch(/the previous one stays in use: the certificate: the PEM data in the file is truncated/)
    expect(await said(await channelTo(`grpcs://${address}`, { ca: theirs.ca }))).toBe('hello')
  })
})

test('handshakes that nobody finishes are bounded, and others are served', async () => {
  const { address, port } = await serve({}, { connectionsMax: 50, handshakesMax: 20 })
  // The beginning of a record that promises more than comes.
  const half = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])
  let closed = 0
  const sockets = Array.from({ length: 45 }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(half))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      closed += 1
    })
    socket.resume()
    return socket
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  await expect.poll(() => closed).toBe(25)
  expect(await said(await channelTo(`grpcs://${address}`))).toBe('hello')
  // The rest goes by itself.
  await expect.poll(() => closed, { interval: 200 }).toBe(45)
}, 30_000)

test('who is not admitted is told so within TLS', async () => {
  const { address } = await serve({}, { admit: async () => false })
  expect(await refused(await channelTo(`grpcs://${address}`))).toMatchObject({ code: Code.PERMISSION_DENIED })
})

test('a server that never answers the handshake is given up', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined).resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    silent.close()
  })
  const channel = await channelTo(`grpcs://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  await expect(channel.unary('test.Service/Echo', Buffer.alloc(0), { timeoutMs: 200 })).rejects.toMatchObject({
    code: Code.DEADLINE_EXCEEDED,
  })
})
