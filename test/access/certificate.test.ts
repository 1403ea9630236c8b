import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createCertificateJudge, namesIn, typeOfName } from '../../src/access/certificate.ts'
import { accessConfig } from '../../src/config/access.ts'
import { systemClock } from '../../src/core/clock.ts'
import { createSecret } from '../../src/core/secret.ts'
import { forwardedServices } from '../../src/scheduler/forward.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { authorizedChannel, vouchedIn } from '../../src/wire/identity.ts'
import { re } from '../../src/wire/proto.ts'
import { type Channel, Code, type Service } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { openClientTls } from '../../src/wire/tls/client-tls.ts'
import { openServerTls } from '../../src/wire/tls/server-tls.ts'
import { type Authority, makeAuthority } from '../fixture/certificates.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { codeOf, endOf, testDoor, testTokens } from './fixture.ts'

const cas = 'build.bazel.remote.execution.v2.ContentAddressableStorage'
const find = `${cas}/FindMissingBlobs`
const upload = `${cas}/BatchUpdateBlobs`
const nothing = Buffer.alloc(0)
const answer = { kind: 'unary', handle: () => nothing } as const
const services: Service[] = [{ name: cas, methods: { FindMissingBlobs: answer, BatchUpdateBlobs: answer } }]

let authority: Authority
beforeAll(async () => {
  authority = await makeAuthority()
})
afterAll(() => authority.remove())

let issued = 0
/** A client's certificate with these names, as openssl writes them, and a channel that shows it. */
async function client(address: string, names: string | undefined, authorization?: string): Promise<Channel> {
  issued += 1
  const files = names === undefined ? {} : await authority.issue(`client-${issued}`, { names, use: 'clientAuth' })
  const tls = await openClientTls({ ca: authority.ca, ...files })
  const channel = openDirectChannel(`grpcs://${address}`, { tls })
  onTestFinished(() => {
    channel.close()
    tls.close()
  })
  return authorizedChannel(channel, () => authorization)
}

async function served(access: object, { secret = createSecret(nothing), what = services } = {}): Promise<string> {
  const { door } = await testDoor(access, { secret })
  issued += 1
  const files = await authority.issue(`server-${issued}`)
  const tls = await openServerTls({ ...files, clientCa: [authority.ca], clientsRequired: false }, quietLog)
  const server = await listen(what, { address: '127.0.0.1:0', log: quietLog, tls, door })
  onTestFinished(async () => {
    await server.close()
    tls.close()
  })
  return server.address
}

const runner = { san: '*.ci.example.com', role: 'runner' }

describe('roles by certificate', () => {
  test.each([
    ['DNS:a.ci.example.com', Code.OK],
    ['DNS:A.CI.Example.COM', Code.OK],
    ['DNS:other.org,DNS:a.ci.example.com', Code.OK],
    ['DNS:ci.example.com', Code.UNAUTHENTICATED],
    ['DNS:a.b.ci.example.com', Code.UNAUTHENTICATED],
    ['DNS:a.ci.example.com.evil.org', Code.UNAUTHENTICATED],
    ['DNS:*.ci.example.com', Code.UNAUTHENTICATED],
    ['DNS:.ci.example.com', Code.UNAUTHENTICATED],
    ['URI:https://a.ci.example.com', Code.UNAUTHENTICATED],
    ['email:a@a.ci.example.com', Code.UNAUTHENTICATED],
    ['IP:127.0.0.1', Code.UNAUTHENTICATED],
  ])('*.ci.example.com means one label: %s', async (names, code) => {
    const address = await served({ anonymous: 'none', certificates: [runner] })
    const channel = await client(address, names)
    expect(await codeOf(channel.unary(find, nothing))).toBe(code)
  })

  test('a whole name, URI or address; the first that fits counts, and the error names it', async () => {
    const address = await served({
      anonymous: 'none',
      certificates: [
        { san: 'spiffe://example.com/ci', role: 'reader' },
        { san: 'alice@example.com', role: 'writer' },
        { san: 'build.example.com', role: 'runner' },
      ],
    })
    const robot = await client(address, 'URI:spiffe://example.com/ci,DNS:build.example.com')
    expect(await codeOf(robot.unary(find, nothing))).toBe(Code.OK)
    const refused = await endOf(robot.unary(upload, nothing))
    expect(refused?.code).toBe(Code.PERMISSION_DENIED)
    expect(refused?.message).toContain('URI:spiffe://example.com/ci, DNS:build.example.com has the role reader')
    for (const names of ['email:alice@example.com', 'DNS:build.example.com'])
      expect(await codeOf((await client(address, names)).unary(upload, nothing))).toBe(Code.OK)
    for (const names of ['URI:spiffe://example.com/ci/x', 'email:bob@example.com']) {
      const error = await endOf((await client(address, names)).unary(find, nothing))
      expect([error?.code, error?.message]).toEqual([Code.UNAUTHENTICATED, expect.stringContaining('fits none')])
    }
  })

  test('a header counts before a certificate, a wrong one too', async () => {
    const { file, tokens } = await testTokens({ role: 'reader' })
    const address = await served({ anonymous: 'none', tokens: file, certificates: [runner] })
    const names = 'DNS:a.ci.example.com'
    expect(await codeOf((await client(address, names)).unary(upload, nothing))).toBe(Code.OK)
    const both = await client(address, names, `Bearer ${tokens[0]}`)
    expect(await codeOf(both.unary(upload, nothing))).toBe(Code.PERMISSION_DENIED)
    expect(await codeOf((await client(address, undefined)).unary(find, nothing))).toBe(Code.UNAUTHENTICATED)
    expect(await codeOf((await client(address, names, 'Bearer wrong')).unary(find, nothing))).toBe(Code.UNAUTHENTICATED)
  })

  test('limits to instances hold, and a scheduler passes on who called', async () => {
    const secret = createSecret(Buffer.from('what the servers of this test know'))
    const access = { anonymous: 'none', certificates: [{ ...runner, instances: ['ci'] }] }
    const cache = await served(access, { secret })
    // The scheduler’s own connection to the cache shows no certificate, and the cache asks for credentials.
    const forwarded = forwardedServices(await client(cache, undefined), systemClock)
    const scheduler = await served(access, { secret, what: forwarded })
    const caller = await client(scheduler, 'DNS:a.ci.example.com')
    const asked = (instanceName: string) => re.FindMissingBlobsRequest.encode({ instanceName }).finish()
    expect(await codeOf(caller.unary(find, asked('ci')))).toBe(Code.OK)
    expect(await codeOf(caller.unary(find, asked('other')))).toBe(Code.PERMISSION_DENIED)
    const strange = await served(access, { secret: createSecret(Buffer.from('another')), what: forwarded })
    const error = await endOf((await client(strange, 'DNS:a.ci.example.com')).unary(find, asked('ci')))
    expect([error?.code, error?.message]).toEqual([Code.UNAUTHENTICATED, expect.stringContaining('a different secret')])
  })

  test('the word for a client is the same for half a minute, and good for as long again', async () => {
    const secret = createSecret(Buffer.from('what the servers of this test know'))
    const clock = manualClock(Date.now())
    const { cert } = await authority.issue('vouched', { names: 'DNS:a.ci.example.com', use: 'clientAuth' })
    const certificate = new X509Certificate(await readFile(cert))
    const grants = accessConfig.parse({ certificates: [runner] }).certificates
    const grant = createCertificateJudge(grants, secret, clock).judge(certificate)
    const word = () => ('wrong' in grant ? undefined : grant.vouch?.()) ?? ''
    const first = word()
    clock.advance(30_000)
    expect(word()).toBe(first)
    expect(vouchedIn(first, secret, clock.now())?.client).toMatchObject({ role: 'runner' })
    clock.advance(1)
    expect(word()).not.toBe(first)
    expect(vouchedIn(word(), secret, clock.now() + 59_000)?.client).toMatchObject({ role: 'runner' })
  })

  test.each([
    ['DNS:a, URI:b:c, email:d@e, IP Address:1.2.3.4', ['a', 'b:c', 'd@e']],
    // As Node writes a single name with a comma in it.
    ['DNS:"x, DNS:a.ci.example.com", DNS:b', ['b']],
    ['DNS:"x\\", DNS:a.ci.example.com"', []],
    ['DNS:a, what is this', []],
    ['DNS:a"b', []],
    ['', []],
  ])('of %j the names are %j', (subjectAltName, names) => {
    expect(namesIn({ subjectAltName }).map(({ value }) => value)).toEqual(names)
  })

  test('names that could mean more than they say are refused in a configuration', () => {
    const parsed = (san: string) => accessConfig.safeParse({ certificates: [{ san, role: 'reader' }] }).success
    for (const good of ['a.example.com', '*.example.com', 'localhost', 'spiffe://a/b', 'urn:x:y', 'alice@example.com'])
      expect([good, parsed(good)]).toEqual([good, true])
    for (const bad of [
      '',
      '*',
      '*.*.com',
      'a.*.com',
      'a*.com',
      '*@example.com',
      'spiffe://a/*',
      '10.0.0.1',
      'a b',
      'a,b',
    ])
      expect([bad, parsed(bad)]).toEqual([bad, false])
    expect(['a.b', 'spiffe://a', 'a@b'].map(typeOfName)).toEqual(['DNS', 'URI', 'email'])
  })
})
