import { execFileSync } from 'node:child_process'
import { chmod, rename, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { createToken, revokeToken, rotateToken } from '../../src/access/tokens-file.ts'
import { systemClock } from '../../src/core/clock.ts'
import { createSecret } from '../../src/core/secret.ts'
import { identifiedChannel, vouchFor } from '../../src/wire/identity.ts'
import { bytestream, re, workerApi } from '../../src/wire/proto.ts'
import { type Call, type Channel, Code, type Service } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { testFolder } from '../fixture/folder.ts'
import { recordingLog } from '../fixture/log.ts'
import { all, untilAborted } from '../wire/fixture.ts'
import { openRaw } from '../wire/http1/raw.ts'
import { basic, codeOf, endOf, guardedServer, testDoor, testTokens } from './fixture.ts'

const cas = 'build.bazel.remote.execution.v2.ContentAddressableStorage'
const find = `${cas}/FindMissingBlobs`
const capabilities = 'build.bazel.remote.execution.v2.Capabilities/GetCapabilities'
const update = 'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult'
const execute = 'build.bazel.remote.execution.v2.Execution/Execute'
const read = 'google.bytestream.ByteStream/Read'
const write = 'google.bytestream.ByteStream/Write'

const work = 'native.worker.v1.Workers/Work'
const followOutput = 'native.worker.v1.Status/FollowOutput'

const nothing = Buffer.alloc(0)
const begun: Call[] = []
/** Methods under their real names: those that stream go on until they are ended. */
const services: Service[] = [
  {
    name: 'build.bazel.remote.execution.v2.Capabilities',
    methods: { GetCapabilities: { kind: 'unary', handle: () => nothing } },
  },
  { name: cas, methods: { FindMissingBlobs: { kind: 'unary', handle: () => nothing } } },
  {
    name: 'build.bazel.remote.execution.v2.ActionCache',
    methods: { UpdateActionResult: { kind: 'unary', handle: () => nothing } },
  },
  {
    name: 'build.bazel.remote.execution.v2.Execution',
    methods: {
      Execute: {
        kind: 'server-stream',
        handle: async (_, call, send) => {
          begun.push(call)
          await send(nothing)
          await untilAborted(call)
        },
      },
    },
  },
  { name: 'native.worker.v1.Workers', methods: { Work: { kind: 'bidi', handle: (_, call) => untilAborted(call) } } },
  {
    name: 'native.worker.v1.Status',
    methods: { FollowOutput: { kind: 'server-stream', handle: async () => undefined } },
  },
  {
    name: 'google.bytestream.ByteStream',
    methods: {
      Read: { kind: 'server-stream', handle: async () => undefined },
      Write: { kind: 'client-stream', handle: (requests) => all(requests).then(() => nothing) },
    },
  },
]

const findCode = (channel: Channel) => codeOf(channel.unary(find, nothing))

describe('tokens', () => {
  test('are taken as Bearer and as the password of Basic, and what is wrong with others is said', async () => {
    const { file, tokens } = await testTokens({ role: 'writer' })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    expect(await findCode(server.as(`Bearer ${tokens[0]}`))).toBe(Code.OK)
    expect(await findCode(server.as(`bearer ${tokens[0]}`))).toBe(Code.OK)
    expect(await findCode(server.as(basic('anybody', tokens[0] ?? '')))).toBe(Code.OK)
    const none = await endOf(server.as(undefined).unary(find, nothing))
    expect([none?.code, none?.message]).toEqual([Code.UNAUTHENTICATED, expect.stringContaining('native login')])
    const wrong = `${tokens[0]?.slice(0, -1)}${tokens[0]?.endsWith('A') ? 'B' : 'A'}`
    const bad = await endOf(server.as(`Bearer ${wrong}`).unary(find, nothing))
    expect([bad?.code, bad?.message]).toEqual([Code.UNAUTHENTICATED, expect.stringContaining('unknown or was revoked')])
    for (const header of ['', 'Bearer', 'Bearer  ', 'Basic !!!', 'Digest x', `Bearer ${'x'.repeat(9000)}`])
      expect([header.slice(0, 20), await findCode(server.as(header))]).toEqual([
        header.slice(0, 20),
        Code.UNAUTHENTICATED,
      ])
  })

  test('say in an error which role it takes', async () => {
    const { file, tokens } = await testTokens({ name: 'alice', role: 'runner' })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    const error = await endOf(server.as(`Bearer ${tokens[0]}`).unary(update, nothing))
    expect(error?.code).toBe(Code.PERMISSION_DENIED)
    expect(error?.message).toBe(`token "alice" has the role runner; ${update} needs one of: writer, admin`)
    // What is not there is no question of rights, for whoever has come in.
    expect(await codeOf(server.as(`Bearer ${tokens[0]}`).unary('no.Such/Method', nothing))).toBe(Code.UNIMPLEMENTED)
    expect(await codeOf(server.as(undefined).unary('no.Such/Method', nothing))).toBe(Code.UNAUTHENTICATED)
  })

  test('of 64 KiB are refused, and whoever else calls is served', async () => {
    const { file, tokens } = await testTokens({ name: 'alice' })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    for (const huge of [`Bearer ${'x'.repeat(64 * 1024)}`, `Basic ${'eA'.repeat(32 * 1024)}`, 'x'.repeat(64 * 1024)])
      expect(await findCode(server.as(huge))).toBe(Code.RESOURCE_EXHAUSTED)
    const long = `Bearer ${'x'.repeat(15 * 1024)}`
    expect(await findCode(server.as(long))).toBe(Code.UNAUTHENTICATED)
    const huge = await fetch(`http://${server.address}/`, {
      headers: { authorization: `Bearer ${'x'.repeat(64 * 1024)}` },
    })
    expect(huge.status).toBe(431)
    expect(await findCode(server.as(`Bearer ${tokens[0]}`))).toBe(Code.OK)
  })

  test('that are created later are known, and an expired one is not', async () => {
    const { file, tokens } = await testTokens({ name: 'short', expiresMs: Date.now() + 4_000 })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    const short = server.as(`Bearer ${tokens[0]}`)
    expect(await findCode(short)).toBe(Code.OK)
    const made = await createToken(file, { name: 'late', role: 'reader', expiresMs: null }, systemClock)
    expect(await findCode(server.as(`Bearer ${made.token}`))).toBe(Code.OK)
    await eventually(
      () => findCode(short),
      (code) => code === Code.UNAUTHENTICATED,
    )
    expect((await endOf(short.unary(find, nothing)))?.message).toContain('token "short" expired at')
  })

  test('that expire end the stream of a worker, and of nobody else', async () => {
    const expiresMs = Date.now() + 4_000
    const { file, tokens } = await testTokens(
      { name: 'laptop', role: 'worker', expiresMs },
      { name: 'alice', role: 'runner', expiresMs },
    )
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    const [laptop, alice] = tokens.map((token) => server.as(`Bearer ${token}`))
    const others = alice?.serverStream(execute, nothing)[Symbol.asyncIterator]()
    await others?.next()
    const error = await endOf(all(laptop?.bidi(work, from()) ?? from()))
    expect([error?.code, error?.message]).toEqual([Code.UNAUTHENTICATED, expect.stringContaining('have expired')])
    expect(begun.at(-1)?.signal.aborted).toBe(false)
    await others?.return?.()
  })

  test.each(['revoke', 'rotate'] as const)('an open stream ends within five seconds of a %s', async (how) => {
    const { file, tokens } = await testTokens({ name: 'alice', role: 'runner' }, { name: 'bob', role: 'runner' })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    const [alice, bob] = tokens.map((token) => server.as(`Bearer ${token}`))
    const ended = endOf(all(alice?.serverStream(execute, nothing) ?? from()))
    const others = bob?.serverStream(execute, nothing)[Symbol.asyncIterator]()
    await others?.next()
    await eventually(
      async () => begun.length,
      (length) => length >= 2,
    )
    const at = performance.now()
    if (how === 'revoke') await revokeToken(file, 'alice', systemClock)
    else await rotateToken(file, 'alice', undefined, systemClock)
    const error = await ended
    expect(performance.now() - at).toBeLessThan(5_000)
    expect([error?.code, error?.message]).toEqual([Code.UNAUTHENTICATED, expect.stringContaining('were revoked')])
    expect(begun.at(-1)?.signal.aborted).toBe(false)
    expect(alice && (await findCode(alice))).toBe(Code.UNAUTHENTICATED)
    expect(bob && (await findCode(bob))).toBe(Code.OK)
    await others?.return?.()
  })

  test('are refused on a connection that is known as soon as the files were looked at for somebody else', async () => {
    const { file, tokens } = await testTokens({ name: 'alice', role: 'runner' })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    const alice = server.as(`Bearer ${tokens[0]}`)
    const stream = endOf(all(alice.serverStream(execute, nothing)))
    expect(await findCode(alice)).toBe(Code.OK)
    await revokeToken(file, 'alice', systemClock)
    const unknown = `Bearer native_${'0'.repeat(12)}_0_${'q'.repeat(43)}`
    expect(await findCode(server.as(unknown))).toBe(Code.UNAUTHENTICATED)
    expect(await findCode(alice)).toBe(Code.UNAUTHENTICATED)
    expect((await stream)?.code).toBe(Code.UNAUTHENTICATED)
  })

  test('of a file that is torn while the server runs go on as they were, and the log says so', async () => {
    const { file, tokens } = await testTokens({ role: 'reader' })
    const { log, lines } = recordingLog()
    const { door } = await testDoor({ anonymous: 'none', tokens: file }, { log })
    const server = await guardedServer(services, door)
    await writeFile(`${file}.new`, '{"version":1,"tok', { mode: 0o600 })
    await rename(`${file}.new`, file)
    await eventually(
      async () => lines.filter(({ level }) => level === 'error').length,
      (count) => count > 0,
    )
    expect(await findCode(server.as(`Bearer ${tokens[0]}`))).toBe(Code.OK)
  })

  test('that are limited to instances may not use others, however a message names them', async () => {
    const { file, tokens } = await testTokens({ name: 'ci', role: 'writer', instances: ['team/ci'] })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer(services, door)
    const channel = server.as(`Bearer ${tokens[0]}`)
    const asked = (instanceName: string) => re.FindMissingBlobsRequest.encode({ instanceName }).finish()
    expect(await codeOf(channel.unary(find, asked('team/ci')))).toBe(Code.OK)
    const other = await endOf(channel.unary(find, asked('')))
    expect([other?.code, other?.message]).toEqual([Code.PERMISSION_DENIED, expect.stringContaining('"team/ci" only')])
    // The last of two counts in protobuf: a message with two is refused rather than understood.
    expect(await codeOf(channel.unary(find, Buffer.concat([asked('team/ci'), asked('other')])))).toBe(
      Code.INVALID_ARGUMENT,
    )
    const hash = 'ab'.repeat(32)
    const readOf = (resourceName: string) =>
      codeOf(all(channel.serverStream(read, bytestream.ReadRequest.encode({ resourceName }).finish())))
    expect(await readOf(`team/ci/blobs/${hash}/1`)).toBe(Code.OK)
    expect(await readOf(`team/ci/compressed-blobs/zstd/${hash}/1`)).toBe(Code.OK)
    expect(await readOf(`blobs/${hash}/1`)).toBe(Code.PERMISSION_DENIED)
    expect(await readOf(`team/blobs/${hash}/1`)).toBe(Code.PERMISSION_DENIED)
    const writeOf = (...names: string[]) =>
      codeOf(
        channel.clientStream(
          write,
          from(...names.map((resourceName) => bytestream.WriteRequest.encode({ resourceName }).finish())),
        ),
      )
    expect(await writeOf(`team/ci/uploads/x/blobs/${hash}/1`, `team/ci/uploads/x/blobs/${hash}/1`)).toBe(Code.OK)
    expect(await writeOf(`uploads/x/blobs/${hash}/1`)).toBe(Code.PERMISSION_DENIED)
    // Whoever logs in asks what the server can do, and knows of no instance yet.
    const canDo = (instanceName: string) =>
      codeOf(channel.unary(capabilities, re.GetCapabilitiesRequest.encode({ instanceName }).finish()))
    expect([await canDo(''), await canDo('team/ci'), await canDo('other')]).toEqual([
      Code.OK,
      Code.OK,
      Code.PERMISSION_DENIED,
    ])
    // What actions print, whosever they are.
    const follow = workerApi.FollowOutputRequest.encode({}).finish()
    const refused = await endOf(all(channel.serverStream(followOutput, follow)))
    expect([refused?.code, refused?.message]).toEqual([
      Code.PERMISSION_DENIED,
      expect.stringContaining('"team/ci" only'),
    ])
  })
})

async function* from(...messages: readonly Uint8Array[]): AsyncGenerator<Buffer> {
  for (const message of messages) yield Buffer.from(message)
}

describe('names and passwords', () => {
  test.each([
    ['bcrypt', ['-nbBC', '5']],
    ['apr1', ['-nbm']],
    ['SHA-1', ['-nbs']],
  ])('that htpasswd wrote with %s', async (_what, flags) => {
    const file = `${await testFolder()}/users`
    const password = 'pässwörd: with blanks'
    await writeFile(file, execFileSync('htpasswd', [...flags, 'alice', password], { encoding: 'utf8' }), {
      mode: 0o600,
    })
    const { door, metrics } = await testDoor({ anonymous: 'none', htpasswd: file })
    const server = await guardedServer(services, door)
    const codes = await Promise.all(
      Array.from({ length: 20 }, () => codeOf(server.as(basic('alice', password)).unary(update, nothing))),
    )
    expect(codes).toEqual(codes.map(() => Code.OK))
    expect(await findCode(server.as(basic('alice', 'password')))).toBe(Code.UNAUTHENTICATED)
    expect(await findCode(server.as(basic('bob', password)))).toBe(Code.UNAUTHENTICATED)
    expect(await metrics.text()).toContain('native_failed_logins_total{reason="wrong"} 2')
  })

  test('that openssl wrote, of several lengths', async () => {
    const file = `${await testFolder()}/users`
    const passwords = [
      '',
      'a',
      'fifteen letters',
      'sixteen letters!',
      'more than sixteen letters are in this one',
    ].slice(1)
    const lines = passwords.map((each, at) => `user${at}:${execFileSync('openssl', ['passwd', '-apr1', each])}`)
    await writeFile(file, lines.join(''), { mode: 0o600 })
    const { door } = await testDoor({ anonymous: 'none', htpasswd: { file, role: 'reader' } })
    const server = await guardedServer(services, door)
    for (const [at, password] of passwords.entries()) {
      const channel = server.as(basic(`user${at}`, password))
      expect([password, await findCode(channel), await codeOf(channel.unary(update, nothing))]).toEqual([
        password,
        Code.OK,
        Code.PERMISSION_DENIED,
      ])
    }
  })

  test('in another form are refused with their line', async () => {
    const file = `${await testFolder()}/users`
    await writeFile(file, '# a comment\nalice:plain\n', { mode: 0o600 })
    await expect(testDoor({ htpasswd: file })).rejects.toMatchObject({ kind: 'invalid', where: `${file}:2` })
    await writeFile(file, `alice:$2y$20$${'a'.repeat(53)}\n`)
    await expect(testDoor({ htpasswd: file })).rejects.toThrow('cost of 20')
    await chmod(file, 0o644)
    await expect(testDoor({ htpasswd: file })).rejects.toMatchObject({ kind: 'denied' })
  })
})

describe('servers of the cluster', () => {
  const secret = createSecret(Buffer.from('a secret of the servers, long enough'))

  test('are known by the secret, each for what it does, and others are not', async () => {
    const { door } = await testDoor({ anonymous: 'none' }, { secret })
    const server = await guardedServer(services, door)
    const as = (role: 'worker' | 'scheduler', of = secret, now = Date.now) =>
      identifiedChannel(server.as(undefined), of, role, now)
    expect(await codeOf(as('scheduler').unary(update, nothing))).toBe(Code.OK)
    expect(await findCode(as('worker'))).toBe(Code.OK)
    expect(await codeOf(as('worker').unary(update, nothing))).toBe(Code.PERMISSION_DENIED)
    expect(await codeOf(all(as('worker').serverStream(execute, nothing)))).toBe(Code.PERMISSION_DENIED)
    expect(await findCode(as('scheduler', createSecret(Buffer.from('another'))))).toBe(Code.UNAUTHENTICATED)
    for (const offMs of [-61_000, 61_000, -31_536_000_000])
      expect(await findCode(as('scheduler', secret, () => Date.now() + offMs))).toBe(Code.UNAUTHENTICATED)
  })
})

describe('who has no credentials', () => {
  test.each([
    [{}, '127.0.0.1:0', Code.OK, Code.OK],
    [{}, 'unix:/run/native.sock', Code.OK, Code.OK],
    [{}, '0.0.0.0:0', Code.UNAUTHENTICATED, Code.UNAUTHENTICATED],
    [{ anonymous: 'reader' }, '0.0.0.0:0', Code.OK, Code.PERMISSION_DENIED],
    [{ anonymous: 'none' }, '127.0.0.1:0', Code.UNAUTHENTICATED, Code.UNAUTHENTICATED],
  ])('with %j on %s', async (access, listen, reads, writes) => {
    const { door } = await testDoor(access, { listen })
    const server = await guardedServer(services, door)
    expect(await findCode(server.as(undefined))).toBe(reads)
    expect(await codeOf(server.as(undefined).unary(update, nothing))).toBe(writes)
  })
})

describe('whoever tries again and again', () => {
  test('waits longer and longer, then is sent away; those who are known do not wait, and no secret is logged', async () => {
    const { file, tokens } = await testTokens({ role: 'reader' })
    const { log, lines } = recordingLog()
    const { door, metrics } = await testDoor({ anonymous: 'none', tokens: file }, { log })
    const server = await guardedServer(services, door)
    const good = server.as(`Bearer ${tokens[0]}`)
    expect(await findCode(good)).toBe(Code.OK)
    const tries = Array.from({ length: 60 }, (_, at) =>
      endOf(server.as(`Bearer native_${'0'.repeat(12)}_0_${String(at).padStart(43, 'q')}`).unary(find, nothing)),
    )
    const first = await Promise.race(tries.slice(40))
    expect(first?.message).toContain('too many failed logins')
    expect(await findCode(good)).toBe(Code.OK)
    expect(await metrics.text()).toMatch(/native_failed_logins_total\{reason="too many"\} [1-9]/)
    expect(JSON.stringify(lines)).not.toContain('qqq')
    expect(lines.some(({ message, fields }) => message === 'a login failed' && 'peer' in fields)).toBe(true)
  })
})

test('those who guess, from however many addresses, keep out nobody who has good credentials', async () => {
  const { file, tokens } = await testTokens({ role: 'reader' })
  const secret = createSecret(Buffer.from('a secret of the servers, long enough'))
  const { door } = await testDoor({ anonymous: 'none', tokens: file }, { secret })
  const wrong = (at: number) => `Bearer native_${'0'.repeat(12)}_0_${String(at).padStart(43, 'q')}`
  const addresses = Array.from({ length: 24 }, (_, at) => `10.0.0.${at}:1`)
  for (const [at, address] of addresses.entries())
    for (let round = 0; round < 5; round += 1) await door.visitor(wrong(at * 5 + round), address, undefined)
  // These wait, some of them for half a minute; nobody waits for them here.
  for (const [at, address] of addresses.entries())
    for (let each = 0; each < 20; each += 1) void door.visitor(wrong(1_000 + at * 20 + each), address, undefined)
  const good = await door.visitor(`Bearer ${tokens[0]}`, '10.1.0.1:1', undefined)
  expect(good.refusal(find)).toBeUndefined()
  // What servers prove cannot be guessed, so it waits for nothing even where others guess.
  const laptop = vouchFor({ name: 'laptop', role: 'worker', instances: undefined }, secret, Date.now)
  const vouched = door.visitor(laptop(), '10.0.0.0:1', undefined)
  expect(vouched).not.toBeInstanceOf(Promise)
  expect((await vouched).refusal(find)).toBeUndefined()
})

describe('over HTTP', () => {
  const operationOf = () => ({ name: 'http/bazel-ac PUT', instance: 'team' })

  test('gets 401 with a challenge, 403 for too little, and its body is not read', async () => {
    const { file, tokens } = await testTokens(
      { role: 'reader' },
      { role: 'writer' },
      { role: 'writer', instances: ['x'] },
    )
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer([], door, { handle: async () => undefined, operationOf })
    const ask = (authorization?: string) =>
      fetch(`http://${server.address}/ac/x`, { method: 'PUT', ...(authorization && { headers: { authorization } }) })
    const none = await ask()
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('Basic realm="native"'),
    ])
    expect(none.headers.get('www-authenticate')).not.toContain('invalid_token')
    const wrong = await ask('Bearer nonsense')
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ])
    expect((await ask(`Bearer ${tokens[0]}`)).status).toBe(403)
    expect((await ask(`Bearer ${tokens[1]}`)).status).toBe(200)
    expect((await ask(basic('', tokens[1] ?? ''))).status).toBe(200)
    expect((await ask(`Bearer ${tokens[2]}`)).status).toBe(403)
    const raw = await openRaw(server.address)
    raw.send('PUT /ac/x HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n')
    expect((await raw.answer()).status).toBe(401)
    raw.socket.destroy()
  })

  test('an answer that is under way ends when its token is revoked', async () => {
    const { file, tokens } = await testTokens({ name: 'alice', role: 'writer' })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const server = await guardedServer([], door, {
      operationOf,
      handle: async (exchange) => {
        await exchange.write(Buffer.from('a part'))
        await new Promise((resolve) => exchange.signal.addEventListener('abort', resolve))
      },
    })
    const answer = await fetch(`http://${server.address}/`, { headers: { authorization: `Bearer ${tokens[0]}` } })
    await revokeToken(file, 'alice', systemClock)
    await expect(answer.text()).rejects.toThrow()
  })
})
