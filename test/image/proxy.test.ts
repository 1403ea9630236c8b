import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openHttp } from '../../src/image/media/registry/http.ts'
import { gitNetwork } from '../../src/image/network/programs.ts'
import { isDirect, proxyFor } from '../../src/image/network/proxy.ts'
import { serve } from '../fixture/registry/serve.ts'

const at = (host: string): URL => new URL(`https://${host}/v2/`)

describe('NO_PROXY, as programs of Go read it', () => {
  it.each([
    ['*', 'host.example', true],
    ['192.0.2.0/24', '192.0.2.7:5999', true],
    ['192.0.2.0/24', '192.0.3.7', false],
    ['192.0.2.0/33', '192.0.2.7', false],
    ['192.0.2.7/32', '192.0.2.7', true],
    ['2001:db8::/32', '[2001:db8:1::5]:5000', true],
    ['2001:db8::/32', '[2001:db9::5]', false],
    ['10.0.0.0/8', 'ten.example', false],
    ['192.0.2.7', '192.0.2.7:5000', true],
    ['192.0.2.7:5000', '192.0.2.7:5000', true],
    ['192.0.2.7:5001', '192.0.2.7:5000', false],
    ['2001:db8::1', '[2001:db8:0::1]', true],
    ['[2001:db8::1]:443', '[2001:db8::1]', true],
    ['[2001:db8::1]:5000', '[2001:db8::1]', false],
    ['192.0.2.70', '192.0.2.7', false],
    ['example', 'host.example', true],
    ['host.example', 'host.example', true],
    ['host.example', 'a.host.example', true],
    ['host.example', 'ahost.example', false],
    ['.host.example', 'a.host.example', true],
    ['.host.example', 'host.example', false],
    ['*.host.example', 'a.b.host.example', true],
    ['*.host.example', 'host.example', false],
    ['HOST.example', 'host.EXAMPLE', true],
    ['host.example.', 'host.example', false],
    ['host.example', 'host.example.', true],
    ['host.example:443', 'host.example', true],
    ['host.example:5000', 'host.example', false],
    ['.example:5000', 'host.example:5000', true],
    ['a.example, host.example ,b.example', 'host.example', true],
    ['a.example host.example', 'host.example', true],
    ['', 'host.example', false],
    [',', 'host.example', false],
    ['.', 'host.example', false],
    ['', 'localhost:5000', true],
    ['', '127.3.4.5:5000', true],
    ['', '[::1]:5000', true],
  ])('%j excepts %s: %s', (value, host, expected) => {
    expect(isDirect(at(host), { NO_PROXY: value })).toBe(expected)
    expect(isDirect(at(host), { no_proxy: value })).toBe(expected)
    const answer = gitNetwork(at(host).href, { HTTPS_PROXY: 'http://proxy.example:1', NO_PROXY: value })
    expect(answer).toMatchObject({ NO_PROXY: expected ? '*' : '', no_proxy: expected ? '*' : '' })
  })
})

describe('a proxy', () => {
  it.each([
    [{ HTTPS_PROXY: 'http://p.example:3128' }, 'https://host.example/', 'http://p.example:3128/'],
    [{ https_proxy: 'p.example:3128' }, 'https://host.example/', 'http://p.example:3128/'],
    [{ HTTPS_PROXY: 'https://p.example' }, 'https://host.example/', 'https://p.example/'],
    [{ HTTPS_PROXY: 'http://p.example' }, 'http://host.example/', undefined],
    [{ HTTP_PROXY: 'http://p.example' }, 'http://host.example/', 'http://p.example/'],
    [{ HTTPS_PROXY: 'http://p.example', NO_PROXY: 'example' }, 'https://host.example/', undefined],
    [{}, 'https://host.example/', undefined],
  ])('of %j for %s is %s', (env, url, expected) => {
    expect(proxyFor(new URL(url), env)?.href).toBe(expected)
  })

  it.each([
    ['socks5://u:hunter2@p.example', 'unimplemented'],
    ['http://u:hunter2@:x', 'invalid'],
  ])('that cannot be used (%s) is told without its login', (proxy, kind) => {
    const ask = () => proxyFor(new URL('https://host.example/'), { HTTPS_PROXY: proxy })
    expect(ask).toThrow(expect.objectContaining({ kind, message: expect.not.stringContaining('hunter2') }))
  })

  it.each(['http', 'https'] as const)(
    'gets its own login, and the host behind it none of that, over %s',
    async (scheme) => {
      const seen: (string | undefined)[] = []
      const served = await serve(
        (asked, response) => {
          seen.push(asked.headers['proxy-authorization'])
          response.end('here')
        },
        { tls: scheme === 'https' },
      )
      const port = new URL(served.url).port
      const logins: (string | undefined)[] = []
      const server = createServer((asked, response) => {
        logins.push(asked.headers['proxy-authorization'])
        request({ port, host: '127.0.0.1', path: '/' }, (answer) => answer.pipe(response)).end()
      }).on('connect', (asked, socket) => {
        logins.push(asked.headers['proxy-authorization'])
        const far = connect(Number(port), '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n')
          far.pipe(socket).pipe(far)
        })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => {
        server.closeAllConnections()
        server.close()
      })
      const proxy = `http://user:pass%20word@127.0.0.1:${(server.address() as AddressInfo).port}`
      const http = openHttp({
        tlsVerify: false,
        idleMsMax: 30_000,
        wholeMsMax: 30_000,
        env: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy },
      })
      onTestFinished(http.close)
      const url = new URL(`${scheme}://host.example/`)
      const answer = await http.exchange({ method: 'GET', url, headers: {} }, new AbortController().signal)
      expect(answer.status).toBe(200)
      expect(logins).toEqual([`Basic ${Buffer.from('user:pass word').toString('base64')}`])
      expect(seen).toEqual([undefined])
      answer.discard()
    },
  )
})
