import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import type { Credentials } from '../../src/image/credentials.ts'
import type { Exchange, HttpRequest } from '../../src/image/media/registry/exchange.ts'
import { retryAfterMs } from '../../src/image/media/registry/retry.ts'
import { openSession, type SessionOptions } from '../../src/image/media/registry/session.ts'
import { secret } from '../../src/image/secret.ts'
import { hastyClock } from '../fixture/image-context.ts'

interface Reply {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** A network in which each request is answered by a function; what was sent is kept. */
function network(reply: (request: HttpRequest) => Reply | Failure | 'no TLS'): {
  exchange: Exchange
  sent: HttpRequest[]
} {
  const sent: HttpRequest[] = []
  const exchange: Exchange = async (request) => {
    sent.push(request)
    const answer = reply(request)
    if (answer instanceof Failure) throw answer
    if (answer === 'no TLS')
      throw new Failure('unavailable', 'no TLS', {
        cause: Object.assign(new Error('wrong version number'), { code: 'EPROTO' }),
      })
    const bytes = Buffer.from(answer.body ?? '')
    return {
      status: answer.status,
      url: request.url,
      header: (name) => answer.headers?.[name],
      body: (async function* () {
        yield bytes
      })(),
      discard: () => undefined,
    }
  }
  return { exchange, sent }
}

const login: Credentials = { kind: 'password', user: 'u', password: secret('p') }

function session(
  exchange: Exchange,
  changes: { registry?: string; plain?: SessionOptions['plain']; login?: Credentials | null } = {},
) {
  return openSession({
    origin: { registry: changes.registry ?? 'host.example', repository: 'app' },
    actions: 'pull',
    exchange,
    plain: changes.plain ?? 'never',
    tlsFlag: '--dest-tls-verify=false',
    findLogin: async () => changes.login ?? null,
    clock: hastyClock(),
    signal: new AbortController().signal,
  })
}

const get = { method: 'GET', url: '/v2/app/manifests/1', doing: 'read', expected: [200] } as const

describe('a session with a registry', () => {
  it('does not speak plain HTTP unless that is allowed', async () => {
    const { exchange, sent } = network(({ url }) => (url.protocol === 'https:' ? 'no TLS' : { status: 200 }))
    await expect(session(exchange).send(get)).rejects.toMatchObject({
      kind: 'denied',
      next: [expect.stringContaining('tls-verify=false')],
    })
    expect(sent.every((each) => each.url.protocol === 'https:')).toBe(true)
    expect((await session(exchange, { plain: 'second' }).send(get)).status).toBe(200)
  })

  it("tries this machine's own registry without TLS first, and with it when that is not what it speaks", async () => {
    const plain = network(({ url }) => (url.protocol === 'https:' ? 'no TLS' : { status: 200 }))
    await session(plain.exchange, { plain: 'first' }).send(get)
    expect(plain.sent.every((each) => each.url.protocol === 'http:')).toBe(true)
    for (const status of [400, 301, 503]) {
      const secure = network(({ url }) => ({ status: url.protocol === 'https:' ? 200 : status }))
      await session(secure.exchange, { plain: 'first', login }).send(get)
      expect(secure.sent.map((each) => each.url.protocol)).toEqual(['http:', 'https:', 'https:'])
      expect(secure.sent.every((each) => each.headers['authorization'] === undefined)).toBe(true)
    }
  })

  it('says of a server that answers, but not as a registry, what it answers', async () => {
    const { exchange } = network(({ url }) => (url.protocol === 'https:' ? 'no TLS' : { status: 404 }))
    await expect(session(exchange, { plain: 'first' }).send(get)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('it answers /v2/ with HTTP 404'),
    })
    const untrusted = new Failure('denied', 'the certificate is not trusted')
    const secure = network(({ url }) => (url.protocol === 'https:' ? untrusted : { status: 400 }))
    await expect(session(secure.exchange, { plain: 'first' }).send(get)).rejects.toBe(untrusted)
  })

  it('says that the login was refused, where there is one, and else that one is asked for', async () => {
    const basic = { 'www-authenticate': 'Basic realm="x"' }
    const says = { status: 401, headers: { ...basic, 'content-type': 'application/json' }, body: '{"errors":[]}' }
    const { exchange } = network(() => says)
    await expect(session(exchange, { login }).send(get)).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('the login of "u" was refused'),
    })
    await expect(session(exchange).send(get)).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('it requires a login'),
    })
  })

  it.each([
    ['http://10.0.0.7:5000', 'http://tokens.example/t', false],
    ['http://10.0.0.7:5000', 'http://10.0.0.8/t', false],
    ['http://10.0.0.7:5000', 'http://127.0.0.1/t', false],
    ['http://127.0.0.1:5000', 'http://10.0.0.7/t', false],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:6000/t', true],
    ['http://127.0.0.1:5000', 'http://localhost:6000/t', true],
    ['http://10.0.0.7:5000', 'http://10.0.0.7:6000/t', true],
    ['http://10.0.0.7:5000', 'https://tokens.example/t', true],
  ])('with a registry at %s that sends to %s for a token sends the login there: %s', async (at, realm, expected) => {
    const { exchange, sent } = network(({ url }) => {
      if (url.protocol === 'https:' && url.host === new URL(at).host) return 'no TLS'
      if (url.href.startsWith(realm)) return { status: 200, body: '{"token":"T"}' }
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } }
    })
    const asking = session(exchange, { registry: new URL(at).host, plain: 'second', login }).send(get)
    await expect(asking).rejects.toMatchObject({ kind: 'denied' })
    expect(sent.some((each) => each.headers['authorization']?.startsWith('Basic '))).toBe(expected)
  })

  it('asks for the scope that the challenge names beside its own, and for that one alone where both are refused', async () => {
    const challenge = 'Bearer realm="https://tokens.example/t",scope="repository:proxied/app:pull"'
    for (const [takes, expected] of [
      [2, ['repository:app:pull', 'repository:proxied/app:pull']],
      [1, ['repository:proxied/app:pull']],
    ] as const) {
      const { exchange, sent } = network(({ url, headers }) => {
        if (url.host === 'tokens.example') {
          const scopes = url.searchParams.getAll('scope')
          return {
            status: scopes.length <= takes ? 200 : 400,
            body: `{"token":"${scopes.length}${scopes.at(-1)?.length}"}`,
          }
        }
        if (url.pathname === '/v2/')
          return { status: 401, headers: { 'www-authenticate': 'Bearer realm="https://tokens.example/t"' } }
        const isRight = headers['authorization'] === `Bearer ${takes}${'repository:proxied/app:pull'.length}`
        return isRight ? { status: 200 } : { status: 401, headers: { 'www-authenticate': challenge } }
      })
      expect((await session(exchange).send(get)).status).toBe(200)
      const last = sent.filter((each) => each.url.host === 'tokens.example').at(-1)
      expect(last?.url.searchParams.getAll('scope')).toEqual(expected)
    }
  })

  it('does not send a login to a token server without TLS', async () => {
    const { exchange, sent } = network(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="http://tokens.example/t"' },
    }))
    await expect(session(exchange, { login }).send(get)).rejects.toMatchObject({ kind: 'denied' })
    expect(sent.map((each) => each.url.host)).toEqual(['host.example'])
  })

  it.each(['javascript:alert(1)', 'not an address', 'file:///etc/passwd', ''])(
    'refuses the realm %j',
    async (realm) => {
      const { exchange } = network(() => ({ status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } }))
      await expect(session(exchange).send(get)).rejects.toMatchObject({ kind: 'invalid' })
    },
  )

  it.each([
    ['a line break in it', '{"token":"hunter2\\nx: y"}'],
    ['a blank in it', '{"token":"hunter2 x"}'],
    ['a letter beyond ASCII', '{"token":"hunter2\u00fc"}'],
    ['nothing around it', 'hunter2'],
  ])('refuses a token with %s, and does not show it', async (_, body) => {
    const { exchange } = network(({ url }) =>
      url.host === 'host.example'
        ? { status: 401, headers: { 'www-authenticate': 'Bearer realm="https://tokens.example/t"' } }
        : { status: 200, body },
    )
    const error: unknown = await session(exchange)
      .send(get)
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'Failure', kind: 'invalid' })
    expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain('hunter2')
  })

  it('refuses a token out of a file that no header can hold', async () => {
    const { exchange } = network(() => ({ status: 401, headers: { 'www-authenticate': 'Bearer realm="https://t/"' } }))
    const broken: Credentials = { kind: 'registry-token', token: secret('a\r\nb: c') }
    await expect(session(exchange, { login: broken }).send(get)).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('does not follow a redirect from TLS to plain HTTP', async () => {
    const { exchange, sent } = network(({ url }) =>
      url.pathname === '/v2/' ? { status: 200 } : { status: 307, headers: { location: 'http://host.example/x' } },
    )
    await expect(session(exchange).send(get)).rejects.toMatchObject({ kind: 'denied' })
    expect(sent).toHaveLength(2)
  })

  it('sends Basic to the registry, to another host nothing, and back at the registry again', async () => {
    const { exchange, sent } = network(({ url }) => {
      if (url.pathname === '/v2/') return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      if (url.pathname === '/v2/app/manifests/1') return { status: 307, headers: { location: 'https://cdn.example/x' } }
      if (url.host === 'cdn.example') return { status: 302, headers: { location: 'https://host.example/back' } }
      return { status: 200 }
    })
    await session(exchange, { login }).send(get)
    expect(sent.map((each) => [each.url.host, each.headers['authorization'] !== undefined])).toEqual([
      ['host.example', false],
      ['host.example', true],
      ['cdn.example', false],
      ['host.example', true],
    ])
  })

  it("finds the Hub's API, and says docker.io to who has to log in", async () => {
    const { exchange, sent } = network(() => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }))
    await expect(session(exchange, { registry: 'docker.io' }).send(get)).rejects.toMatchObject({
      kind: 'denied',
      next: [expect.stringContaining('docker login docker.io')],
    })
    expect(sent[0]?.url.href).toBe('https://registry-1.docker.io/v2/')
  })

  it.each([
    ['120', 120_000],
    ['Fri, 15 Jan 2027 08:00:10 GMT', 10_000],
    ['Fri, 15 Jan 2027 07:00:00 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('reads Retry-After %j (RFC 9110, 10.2.3)', (header, expected) => {
    expect(retryAfterMs(header, 1_800_000_000_000)).toBe(expected)
  })
})
