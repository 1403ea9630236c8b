import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manifestsOf } from '../../../src/cluster/manifest/layout.ts'
import { writeManifests } from '../../../src/cluster/manifest/write.ts'
import { plainRequest } from '../../cluster/manifest/request.ts'
import { eventually } from '../../fixture/eventually.ts'

const cluster = join(process.env['NATIVE_TEST_CACHE'] ?? '/var/cache/native-test', 'cluster')
const programs = await folderOf('programs-', 'bin')
const manifests = await folderOf('images-', 'manifests')
const there = programs !== undefined && manifests !== undefined
if (!there && process.env['CI'] === 'true') throw new Error('run test/real/cluster/provision first')

/** The newest of what test/real/cluster/provision made; undefined where it did not run. */
async function folderOf(prefix: string, inside: string): Promise<string | undefined> {
  const names = await readdir(cluster).catch(() => [])
  const name = names.filter((each) => each.startsWith(prefix)).at(-1)
  return name && join(cluster, name, inside)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

describe.skipIf(!there)('objects before a real API server', () => {
  const running: { kill(signal: 'SIGTERM'): boolean; done: Promise<unknown> }[] = []
  let folder: string
  let kubectl: (...args: string[]) => Promise<string>

  function start(name: string, args: readonly string[]): void {
    const child = execa(join(programs ?? '', name), args, { reject: false, stdio: 'ignore' })
    running.push({ kill: (signal) => child.kill(signal), done: child })
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'native-objects-'))
    const [client, peer, api] = [await freePort(), await freePort(), await freePort()]
    const etcd = `http://127.0.0.1:${client}`
    const key = join(folder, 'key.pem')
    await execa('openssl', ['genrsa', '-out', key, '2048'])
    await writeFile(join(folder, 'tokens.csv'), 'token,admin,1,system:masters\n')
    start('etcd', [
      ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync', '--listen-client-urls', etcd],
      ...['--advertise-client-urls', etcd, '--listen-peer-urls', `http://127.0.0.1:${peer}`],
    ])
    start('kube-apiserver', [
      ...['--etcd-servers', etcd, '--bind-address', '127.0.0.1', '--secure-port', String(api)],
      ...['--cert-dir', join(folder, 'pki'), '--token-auth-file', join(folder, 'tokens.csv')],
      ...['--service-account-issuer', 'https://native.test', '--service-account-key-file', key],
      ...['--service-account-signing-key-file', key, '--authorization-mode', 'RBAC'],
      ...['--service-cluster-ip-range', '10.96.0.0/16', '--disable-admission-plugins', 'ServiceAccount'],
    ])
    const place = ['--kubeconfig', '/dev/null', '--server', `https://127.0.0.1:${api}`, '--token', 'token']
    kubectl = async (...args) =>
      (await execa(join(programs ?? '', 'kubectl'), [...place, '--insecure-skip-tls-verify', ...args])).stdout
    await eventually(
      () => kubectl('get', '--raw', '/readyz'),
      (answer) => answer === 'ok',
    )
    for (const file of ['metallb.yaml', 'envoy-gateway.yaml']) {
      const args = ['apply', '--server-side', '--filename', join(manifests ?? '', file)]
      await eventually(
        () => kubectl(...args),
        () => true,
      )
    }
    // Nothing runs behind the controllers' hooks here.
    await kubectl('delete', 'validatingwebhookconfigurations,mutatingwebhookconfigurations', '--all')
    await kubectl('create', 'namespace', plainRequest.namespace)
  }, 240_000)

  afterAll(async () => {
    for (const child of running.reverse()) {
      child.kill('SIGTERM')
      await child.done
    }
    await rm(folder, { recursive: true, force: true })
  })

  it('are taken with every field known, in all three folders', async () => {
    const written = join(folder, 'objects')
    await writeManifests(written, manifestsOf(plainRequest))
    for (const part of ['.', 'operations', 'application']) {
      const args = ['--server-side', '--dry-run=server', '--validate=strict']
      const stdout = await kubectl('apply', '--kustomize', join(written, part), ...args)
      expect(stdout).toContain('serverside-applied (server dry run)')
    }
  })
})
