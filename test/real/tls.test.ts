import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Addresses } from '../../src/cluster/addresses.ts'
import { type Authority, type CertificateFiles, makeAuthority } from '../fixture/certificates.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, goPrograms, have, npmModules, type Output, type Workdir } from '../fixture/real.ts'
import { createServerPlace } from '../fixture/servers.ts'

let native: Native
let work: Workdir
beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

/** The text with every file of TLS that it names in a place that the chroot sees. */
async function moved(text: string): Promise<string> {
  let result = text
  for (const [file = ''] of text.matchAll(/\/[^\s"']*\.(?:pem|key)/g)) {
    const there = join(work.path, file.replaceAll('/', '_'))
    await copyFile(file, there)
    result = result.replaceAll(file, there)
  }
  return result
}

async function addresses(): Promise<Addresses> {
  return JSON.parse((await native.ok('ips', '--json')).stdout)
}

// Debian builds Bazel with a Netty that has no ALPN on Java's own TLS, and no epoll, without which Netty has no Unix sockets: both
// need the one of the npm package.
const bazelPackage = '@bazel/bazel-linux_x64'
describe.skipIf(!(await have(`npm:${bazelPackage}`)))('Bazel 2.1.0 over TLS, and over a Unix socket', () => {
  const bazel = (...args: string[]): Promise<Output> => {
    const program = join(npmModules, bazelPackage, 'bazel-2.1.0-linux-x86_64')
    const startup = [`--output_user_root=${join(work.path, 'out')}`, '--max_idle_secs=60']
    return work.host([program, ...startup, '--bazelrc=native.bazelrc', ...args], { cwd: 'ws2' })
  }
  const build = (...args: string[]) =>
    bazel('build', '--spawn_strategy=remote', '--remote_timeout=30', ...args, '//:upper')

  beforeAll(async () => {
    await mkdir(join(work.path, 'ws2'))
    await writeFile(join(work.path, 'ws2/WORKSPACE'), '')
    const command = '"echo hello | tr a-z A-Z > $@"'
    await writeFile(join(work.path, 'ws2/BUILD'), `genrule(name = "upper", outs = ["upper.txt"], cmd = ${command})\n`)
    await native.ok('deploy', '--tls', 'auto')
    await native.ok('bazelrc', '--write', join(work.path, 'ws2/native.bazelrc'))
  })
  afterAll(() => bazel('shutdown'))

  test('with what bazelrc says, a build runs remotely and its second is answered by the cache', async () => {
    const cold = await build('--config=lre')
    expect(cold.exitCode, cold.all).toBe(0)
    expect(cold.all).toMatch(/1 process: 1 remote\./)
    await bazel('clean')
    const warm = await build('--config=lre')
    expect(warm.exitCode, warm.all).toBe(0)
    expect(warm.all).toMatch(/1 process: 1 remote cache hit\./)
  })

  test('without TLS, or without the authority, it hears what is wrong', async () => {
    const { scheduler } = await addresses()
    const plain = await build(`--remote_executor=grpc://${scheduler.address}`)
    expect(plain.exitCode).not.toBe(0)
    expect(plain.all).toContain('this address speaks TLS: write grpcs:// or https:// before it')
    const unknown = await build(`--remote_executor=${scheduler.url}`)
    expect(unknown.exitCode).not.toBe(0)
    // It says no more than "io exception"; the server's log knows why.
    expect(unknown.all).toContain('UNAVAILABLE')
    expect((await native.ok('logs', 'scheduler', '--lines', '100')).stdout).toMatch(/a TLS handshake failed: it/)
  })

  test('over the socket of a scheduler, a build runs remotely and its second is answered by the cache', async () => {
    const place = createServerPlace()
    try {
      const at = (name: string) => `unix:${join(place.folder, name)}`
      await place.start('cas', { listen: at('cas.sock'), store: { kind: 'memory', size: '100MB' } })
      await place.start('scheduler', { listen: at('s.sock'), cas: at('cas.sock') })
      const own = { directory: join(place.folder, 'worker'), name: 'w' }
      const worker = await place.start('worker', { scheduler: at('s.sock'), cas: at('cas.sock'), ...own })
      await expect.poll(worker.log).toContain('registered with the scheduler')
      // Later releases take unix:/PATH in place of an address as well; this one takes it as a proxy, whatever the address is.
      const called = ['--remote_executor=grpc://localhost:1', `--remote_proxy=${at('s.sock')}`]
      await bazel('clean')
      const cold = await build(...called)
      expect(cold.exitCode, cold.all).toBe(0)
      expect(cold.all).toMatch(/1 process: 1 remote\./)
      await bazel('clean')
      const warm = await build(...called)
      expect(warm.exitCode, warm.all).toBe(0)
      expect(warm.all).toMatch(/1 process: 1 remote cache hit\./)
    } finally {
      await place.dispose()
    }
  })
})

describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 over HTTPS', () => {
  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws7' })
  afterAll(() => bazel('shutdown'))

  test('finds in the cache what another build has left there', async () => {
    await work.copy('workspace', 'ws7')
    await native.ok('deploy', '--tls', 'auto')
    const { cache } = await addresses()
    const ca = await moved(cache.tls?.ca ?? '')
    const flags = [`--remote_cache=https://${cache.address}`, `--tls_certificate=${ca}`, '--action_env=SALT=https']
    const cold = await bazel('build', ...flags, '//gen:upper')
    expect(cold.exitCode, cold.all).toBe(0)
    expect(cold.all).not.toMatch(/remote cache hit/)
    await bazel('clean')
    const warm = await bazel('build', ...flags, '//gen:upper')
    expect(warm.exitCode, warm.all).toBe(0)
    expect(warm.all).toMatch(/\d+ remote cache hit/)
  })
})

describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 with a certificate that has a role', () => {
  let authority: Authority
  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws-mtls' })
  beforeAll(async () => {
    authority = await makeAuthority()
    await work.copy('workspace', 'ws-mtls')
    const file = join(work.path, 'mtls.yaml')
    const grants = "[{ san: '*.ci.example.com', role: writer }, { san: '*.pr.example.com', role: reader }]"
    await writeFile(file, `tls: { client_ca: ${authority.ca} }\naccess: { certificates: ${grants} }\n`)
    await native.ok('deploy', '--config', file)
  })
  afterAll(async () => {
    await bazel('shutdown')
    // What comes after has other certificates, and no roles.
    await native.ok('down')
    await authority.remove()
  })

  test('a writer fills the cache, a reader finds what is there and cannot write, and a stranger does neither', async () => {
    const { cache } = await addresses()
    const ca = await moved(cache.tls?.ca ?? '')
    const build = async (name: string, salt: string) => {
      const files = await authority.issue(name, { names: `DNS:${name}`, use: 'clientAuth' })
      const [cert, key] = [await moved(files.cert), await moved(files.key)]
      const shown = [`--tls_client_certificate=${cert}`, `--tls_client_key=${key}`]
      const more = ['--verbose_failures', `--action_env=SALT=${salt}`]
      await bazel('clean')
      return bazel(
        'build',
        `--remote_cache=https://${cache.address}`,
        `--tls_certificate=${ca}`,
        ...shown,
        ...more,
        '//gen:upper',
      )
    }
    const first = await build('build-1.ci.example.com', 'first')
    expect(first.exitCode, first.all).toBe(0)
    // One of the two actions does not depend on the salt: another test of this cluster may have run it.
    expect(first.all).toContain('linux-sandbox')
    expect(first.all).not.toContain('WARNING: Remote Cache')
    const reader = await build('17.pr.example.com', 'first')
    expect(reader.all).toContain('2 remote cache hit')
    const writing = await build('18.pr.example.com', 'second')
    expect(writing.exitCode, writing.all).toBe(0)
    expect(writing.all).toContain('has the role reader')
    const stranger = await build('a.b.ci.example.com', 'first')
    expect(stranger.all).not.toMatch(/remote cache hit/)
    expect(stranger.all).toContain('fits none of the "certificates"')
  })
})

describe.skipIf(!(await have('go:grpcurl')))('grpcurl over TLS', () => {
  let authority: Authority
  beforeAll(async () => {
    authority = await makeAuthority()
  })
  afterAll(() => authority.remove())
  const grpcurl = (...args: string[]) => work.host([join(goPrograms, 'grpcurl'), '-max-time', '30', ...args, 'list'])

  test('is served with a certificate to show, and refused without one, with words', async () => {
    const [client, former] = await Promise.all([
      authority.issue('client', { use: 'clientAuth' }),
      authority.issue('former', { use: 'clientAuth', fromDays: -9, toDays: -1 }),
    ])
    await native.ok('deploy', '--tls-client-ca', authority.ca)
    const { cache } = await addresses()
    const ca = ['-cacert', cache.tls?.ca ?? '']
    const shown = ({ cert, key }: CertificateFiles) => ['-cert', cert, '-key', key]
    expect((await grpcurl(...ca, ...shown(client), cache.address)).stdout).toContain('ContentAddressableStorage')
    expect((await grpcurl(...ca, cache.address)).all).toContain(
      'this server asks for a client certificate, and none was shown',
    )
    expect((await grpcurl(...ca, ...shown(former), cache.address)).all).toContain(
      'the client certificate is not accepted: it has expired',
    )
    expect((await grpcurl('-cacert', authority.ca, ...shown(client), cache.address)).all).toMatch(/unknown authority/)
  })
})

describe.skipIf(!(await have('sid:recc')))('recc over TLS', () => {
  test('compiles remotely with what the client command says', async () => {
    await native.ok('deploy', '--tls', 'auto')
    const variables = (await native.ok('client', 'recc', '--json')).stdout
    const pairs = (JSON.parse(variables).environment as { name: string; value: string }[]).map(
      async ({ name, value }) => [name, await moved(value)] as const,
    )
    const env = Object.fromEntries(await Promise.all(pairs))
    expect(env['RECC_SERVER']).toMatch(/^https:/)
    await writeFile(join(work.path, 'hello.cc'), 'int main() { return 0; }\n')
    const recc = () =>
      work.chroot(['recc', '/usr/bin/g++', '-c', 'hello.cc', '-o', 'hello.o'], {
        env: { ...env, RECC_LOG_LEVEL: 'info' },
      })
    const first = await recc()
    expect(first.exitCode, first.all).toBe(0)
    expect(first.all).toContain('Executing action remotely')
    expect((await recc()).all).toContain('Action Cache hit')
    expect((await readFile(join(work.path, 'hello.o'))).length).toBeGreaterThan(0)
  })
})
