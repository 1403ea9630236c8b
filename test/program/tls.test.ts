import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authority, makeAuthority } from '../fixture/certificates.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { createServerPlace } from '../fixture/servers.ts'

let native: Native
let authority: Authority
beforeAll(async () => {
  ;[native, authority] = await Promise.all([createNative(), makeAuthority()])
})
afterAll(async () => {
  await Promise.all([native.dispose(), authority.remove()])
})

interface Endpoint {
  readonly address: string
  readonly url: string
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly pin?: string }
}
async function addresses(): Promise<{ cache: Endpoint; scheduler: Endpoint }> {
  return JSON.parse((await native.ok('ips', '--json')).stdout)
}

const curl = (...args: string[]) => execa('curl', ['-sS', '-o', '-', '-w', '%{http_code}', ...args], { reject: false })

describe('deploy --tls auto', () => {
  beforeAll(async () => {
    await native.ok('deploy', '--tls', 'auto')
  })

  test('makes an authority and certificates, for this user alone, beside the data', async () => {
    const { cache } = await addresses()
    expect(cache.url).toBe(`grpcs://${cache.address}`)
    const ca = cache.tls?.ca ?? ''
    expect(ca).toBe(join(native.home, 'data/native/native/tls/ca.pem'))
    for (const name of ['ca.pem', 'ca.key', 'server.pem', 'server.key', 'client.pem', 'client.key'])
      expect((await stat(join(ca, '..', name))).mode & 0o777).toBe(0o600)
  })

  test('every command finds the authority by itself', async () => {
    const { cache, scheduler } = await addresses()
    expect((await native.ok('exec', '--', '/bin/echo', 'hello')).stdout).toBe('hello')
    expect((await native.ok('ips')).stdout).toBe(
      `Cache IP: ${cache.url}\nScheduler IP: ${scheduler.url}\nCA certificate: ${cache.tls?.ca}`,
    )
    expect((await native.ok('ips', '--shell')).stdout).toMatch(new RegExp(`\nCA=${cache.tls?.ca}$`))
    expect(JSON.parse((await native.ok('status', '--json')).stdout)).toMatchObject({ state: 'deployed' })
    const bazelrc = (await native.ok('bazelrc')).stdout
    expect(bazelrc).toContain(`build:lre --remote_cache=${cache.url}\n`)
    expect(bazelrc).toContain(`build:lre --tls_certificate=${cache.tls?.ca}\n`)
    expect((await native.ok('client', 'go')).stdout).toContain(`--address ${cache.url} --tls-ca ${cache.tls?.ca}`)
    expect(await native.run('client', 'ccache')).toMatchObject({
      stderr: expect.stringContaining('ccache speaks no TLS'),
    })
  })

  test('the console stays on this machine, without TLS, and asks the other servers over it', async () => {
    const { url } = JSON.parse((await native.ok('open', '--json')).stdout)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
    const bazelrc = (await native.ok('bazelrc')).stdout
    expect(bazelrc).toContain(`build:lre --bes_backend=${url.replace('http', 'grpc').replace(/\/$/, '')}\n`)
    expect(bazelrc).toContain(`build:lre --bes_results_url=${url}build/\n`)
    expect((await curl(`${url}workers`)).stdout).toMatch(/worker-1[\s\S]*200$/)
  })

  test('a client that is told an address alone is told the authority too, or hears what is missing', async () => {
    const { scheduler } = await addresses()
    const echo = ['--', '/bin/echo', 'hi']
    const ca = ['--tls-ca', scheduler.tls?.ca ?? '']
    expect((await native.ok('exec', '--address', scheduler.url, ...ca, ...echo)).stdout).toBe('hi')
    const unknown = await native.run('exec', '--address', scheduler.url, ...echo)
    expect(unknown.stderr).toContain('its certificate is signed by an authority that is not trusted')
    const plain = await native.run('exec', '--address', scheduler.address, ...echo)
    expect(plain.stderr).toContain('this address speaks TLS: write grpcs:// or https:// before it')
    const mixed = await native.run('exec', '--address', scheduler.address, ...ca, ...echo)
    expect(mixed.stderr).toContain(`Write --address grpcs://${scheduler.address}`)
  })

  test('curl puts and gets over HTTPS', async () => {
    const { cache, scheduler } = await addresses()
    const ca = ['--cacert', cache.tls?.ca ?? '']
    const url = `https://${cache.address}/gradle/0123456789abcdef`
    expect((await curl(...ca, '-X', 'PUT', '--data', 'kept', url)).stdout).toMatch(/^20\d$/)
    expect((await curl(...ca, url)).stdout).toBe('kept200')
    expect((await curl(...ca, `https://${scheduler.address}/cache/x`)).stdout).toContain(
      `the cache answers HTTP at https://${cache.address}`,
    )
    expect((await curl(`http://${cache.address}/cache/x`)).stdout).toMatch(/this address speaks TLS.*\n400/)
  })

  test('the authority stays with the data, and what needs no certificate needs none again', async () => {
    const before = await addresses()
    const text = await readFile(before.cache.tls?.ca ?? '', 'utf8')
    await native.ok('down', '--keep-data')
    await native.ok('deploy', '--tls', 'auto')
    expect(await readFile(before.cache.tls?.ca ?? '', 'utf8')).toBe(text)
    await native.ok('deploy', '--tls', 'off')
    expect((await addresses()).cache.url).toMatch(/^grpc:/)
    expect((await native.ok('exec', '--', '/bin/echo', 'plain')).stdout).toBe('plain')
  })
})

describe('certificates of one’s own', () => {
  test('are served, and clients with certificates alone are let in, from another address too', async () => {
    const server = await authority.issue('build', { names: 'DNS:localhost' })
    const client = await authority.issue('colleague', { use: 'clientAuth' })
    const files = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.ca]
    await native.ok('deploy', ...files, '--listen', '0.0.0.0')
    const { scheduler } = await addresses()
    expect(scheduler.url).toMatch(/^grpcs:\/\/localhost:\d+$/)
    // Our own commands and servers have what they need.
    expect((await native.ok('exec', '--', '/bin/echo', 'hello')).stdout).toBe('hello')
    const own = ['--tls-ca', authority.ca, '--tls-cert', client.cert, '--tls-key', client.key]
    const port = scheduler.address.split(':').at(-1)
    const there = `grpcs://localhost:${port}`
    expect((await native.ok('exec', '--address', there, ...own, '--', '/bin/echo', 'you')).stdout).toBe('you')
    const without = await native.run('exec', '--address', there, '--tls-ca', authority.ca, '--', '/bin/true')
    expect(without.stderr).toContain('this server asks for a client certificate, and none was shown')
    await native.ok('deploy', '--access', 'team')
    const made = await native.ok('token', 'create', '--name', 'colleague', '--role', 'reader', '--json')
    const input: string = JSON.parse(made.stdout).token
    const login = (...shown: string[]) =>
      execa(process.execPath, [join(root, 'bin/run.js'), 'login', there, ...shown], {
        ...{ input, reject: false, env: native.env, extendEnv: false },
      })
    expect((await login('--tls-ca', authority.ca)).stderr).toContain('asks for a client certificate')
    expect((await login(...own)).stdout).toContain(`${there} accepts the token`)
    const [address] = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
    if (address) {
      const wrong = await native.run(
        'exec',
        '--address',
        `grpcs://${address.address}:${port}`,
        ...own,
        '--',
        '/bin/true',
      )
      expect(wrong.stderr).toContain('its certificate is for another name: for localhost')
    }
  })

  test('that cannot be served are refused before anything changes, with what is wrong', async () => {
    const server = await authority.issue('wrong-key')
    const other = await authority.issue('other')
    const cut = join(authority.folder, 'cut.pem')
    await writeFile(cut, (await readFile(server.cert, 'utf8')).slice(0, 200))
    const said = async (cert: string, key: string) =>
      (await native.run('deploy', '--tls-cert', cert, '--tls-key', key, '--tls-client-ca', authority.ca)).stderr
    expect(await said(server.cert, other.key)).toContain('the private key does not belong to the certificate')
    expect(await said(cut, server.key)).toContain('the certificate: the PEM data in the file is truncated')
    expect(await said(join(authority.folder, 'none.pem'), server.key)).toContain('there is no such file')
    await chmod(server.key, 0o644)
    expect(await said(server.cert, server.key)).toContain('everyone on this machine can read the private key')
  })
})

describe('an address beyond the loopback', () => {
  test('is refused without TLS and access control, unless the user says that it need not', async () => {
    await native.ok('down')
    const refused = async (...args: string[]) => (await native.run('deploy', '--listen', '0.0.0.0', ...args)).stderr
    expect(await refused()).toContain(
      'anyone who can reach 0.0.0.0 could run commands as you: TLS and access control are missing',
    )
    expect(await refused('--tls', 'auto')).toContain('access control is missing')
    expect(await refused('--insecure', '--private')).toContain('a private cluster admits nobody from another machine')
    expect((await native.run('deploy', '--listen', '192.0.2.77', '--insecure')).stderr).toContain(
      'this machine does not have the address 192.0.2.77',
    )
    expect((await native.run('deploy', '--listen', 'everywhere')).stderr).toContain('"everywhere" is not an address')
    await native.ok('deploy', '--listen', '0.0.0.0', '--insecure', '--workers', '0')
    expect((await addresses()).cache.address).toMatch(/^127\.0\.0\.1:/)
  })
})

describe('native serve', () => {
  test('tells of a mistake in tls with its place, and of files by their names', async () => {
    const file = join(native.home, 'cas.yaml')
    const text = (tls: string) => `listen: 127.0.0.1:0\nstore: { kind: memory, size: 100MB }\ntls: ${tls}\n`
    const said = async (tls: string) => {
      await writeFile(file, text(tls))
      return (await native.run('serve', 'cas', '--config', file)).stderr
    }
    expect(await said('{ cert: a.pem }')).toContain('tls: cert and key go together')
    expect(await said('{ client_ca: a.pem }')).toContain('expected either cert and key, or auto')
    expect(await said('{ cert: /none.pem, key: /none.key }')).toMatch(
      /cannot read the (certificate|private key).*no such file/,
    )
    expect(await said('{ cert: a.pem, key: a.key, ciphers: x }')).toContain('there is no such setting')
  })

  test('serves on sockets in the file system, and commands and servers call them', async () => {
    const place = createServerPlace()
    try {
      const at = (name: string) => `unix:${join(place.folder, name)}`
      const store = { kind: 'memory', size: '100MB' }
      await place.start('cas', { listen: at('cas.sock'), store })
      await place.start('scheduler', { listen: at('s.sock'), cas: at('cas.sock') })
      const own = { directory: join(place.folder, 'worker'), name: 'w' }
      const worker = await place.start('worker', { scheduler: at('s.sock'), cas: at('cas.sock'), ...own })
      await expect.poll(worker.log).toContain('registered with the scheduler')
      const done = await native.ok('exec', '--address', at('s.sock'), '--', '/bin/echo', 'by a socket')
      expect(done.stdout).toBe('by a socket')
    } finally {
      await place.dispose()
    }
  })
})
