import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { createActionsClient } from '../../../src/client/actions.ts'
import { connectedWorkers } from '../../../src/client/fleet.ts'
import type { Addresses } from '../../../src/cluster/addresses.ts'
import type { ClusterStatus } from '../../../src/cluster/status.ts'
import { digestOf } from '../../../src/core/hash.ts'
import { openDirectChannel } from '../../../src/wire/direct.ts'
import { authorizedChannel } from '../../../src/wire/identity.ts'
import type { Channel } from '../../../src/wire/rpc.ts'
import { openClientTls } from '../../../src/wire/tls/client-tls.ts'
import { type Authority, type CertificateFiles, makeAuthority } from '../../fixture/certificates.ts'
import { eventually } from '../../fixture/eventually.ts'
import { createKindNative, type KindNative } from '../../fixture/kind.ts'
import { kindParts } from '../../fixture/kind-parts.ts'

// Clients with certificates that openssl has made, through real Gateways to servers that ask for them. The tests build
// on each other.

const name = 'kc-certificates'
const parts = await kindParts()
const password = 'correct horse'
const issuer = 'https://issuer.example.com'

describe.skipIf(parts === undefined)('a kind cluster whose clients show certificates', () => {
  let native: KindNative
  let authority: Authority
  let other: Authority
  /** What the deployment names as the authority of clients. */
  let accepted: string
  let config: string
  let addresses: Addresses
  let keys: Awaited<ReturnType<typeof generateKeyPair>>

  const issued = (issuer: Authority, who: string, names: string) => issuer.issue(who, { names, use: 'clientAuth' })
  const status = async (): Promise<ClusterStatus> => JSON.parse((await native.ok('status', '--json')).stdout)
  const flags = ({ cert, key }: CertificateFiles) => ['--tls-cert', cert, '--tls-key', key]
  const remote = () => ['--address', addresses.scheduler.url, '--tls-ca', addresses.scheduler.tls?.ca ?? '']
  /** Whoever has no token: the user whose cluster it is has one. */
  const stranger = () =>
    native.with({
      env: {
        XDG_CONFIG_HOME: join(native.home, 'stranger'),
        XDG_STATE_HOME: join(native.home, 'nothing'),
        NATIVE_NAME: '',
      },
    })

  async function asked<T>(
    files: CertificateFiles | undefined,
    ask: (channel: Channel) => Promise<T>,
    authorization?: string,
  ): Promise<string> {
    const { url, tls: own } = addresses.scheduler
    const tls = await openClientTls({ ca: own?.ca, ...files })
    const channel = openDirectChannel(url, { tls })
    try {
      await ask(authorizedChannel(channel, () => authorization))
      return 'answered'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    } finally {
      channel.close()
      tls.close()
    }
  }

  beforeAll(async () => {
    if (!parts) return
    native = await createKindNative(parts, name)
    authority = await makeAuthority('clients of a test')
    other = await makeAuthority('another of a test')
    accepted = join(native.home, 'clients.pem')
    await copyFile(authority.ca, accepted)
    config = join(native.home, 'deployment.yaml')
    const grants = [
      { san: '*.ci.example.com', role: 'runner' },
      { san: 'reader@example.com', role: 'reader' },
      { san: '*.workers.example.com', role: 'worker' },
    ]
    const [users, issuersKeys] = [join(native.home, 'users'), join(native.home, 'keys.json')]
    const hash = createHash('sha1').update(password).digest('base64')
    await writeFile(users, `alice:{SHA}${hash}\n`, { mode: 0o600 })
    keys = await generateKeyPair('ES256')
    await writeFile(issuersKeys, JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one' }] }))
    await writeFile(
      config,
      stringify({
        workers: 1,
        slots: 1,
        tls: { client_ca: accepted },
        access: {
          certificates: grants,
          htpasswd: { file: users, role: 'runner' },
          jwt: [{ issuer, audience: 'native', jwks: issuersKeys, grants: [{ when: { ref: 'main' }, role: 'reader' }] }],
        },
      }),
    )
  })
  afterAll(async () => {
    await native?.dispose()
    await authority?.remove()
    await other?.remove()
  })

  test('is deployed over one that asked nobody, and serves whoever deployed it', async () => {
    await native.ok('up', '--driver', 'kind')
    await native.ok('deploy', '--slots', '1')
    await native.ok('deploy', '--config', config)
    addresses = JSON.parse((await native.ok('ips', '--json')).stdout)
    expect(addresses.scheduler.url).toMatch(/^grpcs:\/\/[\d.]+:443$/)
    expect(addresses).not.toHaveProperty('console')
    await native.ok('exec', '--fresh', '--', 'true')
    expect(await status()).toMatchObject({ state: 'deployed', problems: [] })
    const kinds = await native.kubectl('get', 'grpcroute,tcproute', '--output=name')
    expect(kinds.trim().split('\n').sort()).toEqual([
      'tcproute.gateway.networking.k8s.io/cache-route',
      'tcproute.gateway.networking.k8s.io/scheduler-route',
    ])
  })

  test('gives a client the role of the name in its certificate, and none to other names', async () => {
    const runner = await issued(authority, 'runner', 'DNS:build-1.ci.example.com')
    const reader = await issued(authority, 'reader', 'email:reader@example.com')
    const unknown = await issued(authority, 'unknown', 'DNS:ci.example.com')
    const action = digestOf('sha256', Buffer.from('an action'))
    const write = (channel: Channel) => createActionsClient(channel).update(action, {})
    expect(await asked(runner, connectedWorkers)).toBe('answered')
    expect(await asked(runner, write)).toContain('runner')
    expect(await asked(reader, connectedWorkers)).toBe('answered')
    expect(await asked(unknown, connectedWorkers)).toContain('fits none of the "certificates" of this server')
    const guest = await stranger()
    const ran = await guest.run('exec', ...remote(), ...flags(runner), '--fresh', '--', 'sh', '-c', 'echo hello')
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0, stdout: 'hello' })
    const refused = await guest.run('exec', ...remote(), ...flags(reader), '--fresh', '--', 'true')
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toContain('reader')
  })

  test('takes a name with its password, and the token of an issuer, in place of the name in a certificate', async () => {
    const unknown = await issued(authority, 'guest', 'DNS:ci.example.com')
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    const token = async (ref: string) =>
      `Bearer ${await new SignJWT({ ref })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(issuer)
        .setAudience('native')
        .setExpirationTime('5m')
        .sign(keys.privateKey)}`
    expect(await asked(unknown, connectedWorkers, basic(`alice:${password}`))).toBe('answered')
    expect(await asked(unknown, connectedWorkers, basic('alice:wrong'))).toContain('password')
    expect(await asked(unknown, connectedWorkers, await token('main'))).toBe('answered')
    expect(await asked(unknown, connectedWorkers, await token('other'))).not.toBe('answered')
  })

  test('refuses whoever shows none, one that has expired, or one of another authority', async () => {
    const expired = await authority.issue('expired', {
      names: 'DNS:old.ci.example.com',
      use: 'clientAuth',
      fromDays: -3,
      toDays: -1,
    })
    const foreign = await issued(other, 'foreign', 'DNS:build-1.ci.example.com')
    expect(await asked(undefined, connectedWorkers)).toContain('asks for a client certificate, and none was shown')
    expect(await asked(expired, connectedWorkers)).toContain('expired')
    expect(await asked(foreign, connectedWorkers)).toContain('authority')
  })

  test('tells its builds to whoever deployed it, though no address leads to the console', async () => {
    const { builds } = JSON.parse((await native.ok('builds', '--json')).stdout)
    expect(builds).toContainEqual(expect.objectContaining({ tool: 'native', executed: 1 }))
    const bazelrc = (await native.ok('bazelrc')).stdout
    expect(bazelrc).toContain('--tls_client_certificate=')
    expect(bazelrc).not.toContain('--bes_backend')
  })

  test('lets a machine join that has a certificate besides its invitation', async () => {
    const worker = await issued(authority, 'worker', 'DNS:laptop.workers.example.com')
    const invitation = JSON.parse((await native.ok('invite', '--json')).stdout)
    const own = ['--name', 'kc-laptop', '--worker', 'laptop', '--slots', '1', '--sandbox', 'off']
    const line = ['join', invitation.url, '--token', invitation.token, '--ca', invitation.ca, ...own]
    expect((await native.run(...line)).stderr).toContain('certificate')
    await native.ok(...line, ...flags(worker))
    try {
      const there = await native.ok('exec', '--fresh', '--property', 'native:worker=laptop', '--', 'pwd')
      expect(there.stdout).toContain('kc-laptop')
    } finally {
      await native.ok('leave', '--name', 'kc-laptop')
    }
  })

  test('lets a container join, which has its token in the environment, and leaves when it is stopped', async () => {
    const { cert, key } = await issued(authority, 'box', 'DNS:box.workers.example.com')
    const files = await mkdtemp(join(tmpdir(), 'native-box-'))
    await chmod(files, 0o755)
    await copyFile(cert, join(files, 'box.pem'))
    await copyFile(key, join(files, 'box.key'))
    await chmod(join(files, 'box.key'), 0o644)
    const image = (await native.docker('load', '--input', native.smallArchive ?? ''))
      .replace('Loaded image: ', '')
      .trim()
    const { url, token, ca } = JSON.parse((await native.ok('invite', '--name', 'box', '--json')).stdout)
    const place = [
      '--network',
      `native-${name}`,
      '--volume',
      `${files}:/certificates:ro`,
      '--env',
      `NATIVE_TOKEN=${token}`,
    ]
    const certificate = ['--tls-cert', '/certificates/box.pem', '--tls-key', '/certificates/box.key']
    const own = ['--worker', 'box', '--slots', '1', '--sandbox', 'off', '--foreground']
    const box = `${name}-box`
    try {
      const run = ['run', '--detach', '--init', '--stop-timeout', '60', '--name', box]
      await native.docker(...run, ...place, image, 'join', url, '--ca', ca, ...certificate, ...own)
      const elsewhere = async () => (await status()).otherWorkers?.map((each) => each.name)
      await eventually(elsewhere, (names) => names?.includes('box') ?? false)
      await native.ok('exec', '--fresh', '--property', 'native:worker=box', '--', 'true')
      await native.docker('stop', box)
      await eventually(elsewhere, (names) => names?.length === 0)
    } finally {
      await native.docker('rm', '--force', '--volumes', box)
      await native.docker('rmi', image)
      await rm(files, { recursive: true })
    }
  })

  test('takes another authority with the next deployment, and starts no server again', async () => {
    const before = await native.kubectl('get', 'pods', '--output=name')
    const late = await issued(authority, 'late', 'DNS:build-2.ci.example.com')
    const next = await issued(other, 'next', 'DNS:build-3.ci.example.com')
    await copyFile(other.ca, accepted)
    await native.ok('deploy')
    await eventually(
      () => asked(next, connectedWorkers),
      (said) => said === 'answered',
      180_000,
    )
    await eventually(
      () => asked(late, connectedWorkers),
      (said) => said.includes('authority'),
      30_000,
    )
    expect(await native.kubectl('get', 'pods', '--output=name')).toBe(before)
    expect(await readFile(accepted, 'utf8')).toBe(await readFile(other.ca, 'utf8'))
  })

  test('stays as it is when the next deployment fails, and asks nobody after one that says so', async () => {
    const failing = join(native.home, 'failing.yaml')
    await writeFile(failing, 'workers: 1\ntls: auto\ncas: { asset: { ca: /not/there.pem } }\n')
    expect((await native.run('deploy', '--config', failing)).exitCode).not.toBe(0)
    const [own] = Object.values(addresses)
    expect(JSON.parse((await native.ok('ips', '--json')).stdout).cache).toEqual(own)
    await native.ok('exec', '--fresh', '--', 'true')
    expect(await status()).toMatchObject({ state: 'deployed', problems: [] })
    await native.ok('deploy', '--tls', 'auto', '--access', 'none')
    const guest = await stranger()
    await guest.ok('exec', ...remote(), '--fresh', '--', 'true')
    expect((await native.ok('bazelrc')).stdout).toContain('--bes_backend')
    expect(await native.kubectl('get', 'tcproute', '--output=name')).toBe('')
  })
})
