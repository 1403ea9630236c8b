import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectedWorkers } from '../../../src/client/fleet.ts'
import type { Addresses, ClusterStatus } from '../../../src/cluster/driver.ts'
import { openChannel } from '../../../src/wire/channel.ts'
import type { Channel } from '../../../src/wire/rpc.ts'
import { eventually } from '../../fixture/eventually.ts'
import { createKindNative, dockerHas, dockerHasOf, type KindNative } from '../../fixture/kind.ts'
import { createKindBazel, type KindBazel } from '../../fixture/kind-bazel.ts'
import { kindParts } from '../../fixture/kind-parts.ts'
import { have } from '../../fixture/real.ts'

// A kind cluster from `up` to `down` as its user goes, with Bazel through both gateways. The
// tests build on each other.

const name = 'kc-journey'
const parts = await kindParts()
const isThere = parts !== undefined && (await have('sid:bazel'))

/** As kubectl writes it; nothing of it may change. */
const kubeconfig = `apiVersion: v1
clusters:
- cluster:
    server: https://other.example.com
  name: other
contexts:
- context:
    cluster: other
    user: other
  name: other
current-context: other
kind: Config
users:
- name: other
  user:
    token: of-another
`

describe.skipIf(!isThere)('a user of a kind cluster', () => {
  let native: KindNative
  let hello: KindBazel
  let workspace: KindBazel
  let addresses: Addresses
  let scheduler: Channel
  let before: string[]

  const userKubeconfig = () => join(native.home, '.kube/config')
  const status = async (): Promise<ClusterStatus> =>
    JSON.parse((await native.ok('status', '--name', name, '--json')).stdout)
  const ips = async (): Promise<Addresses> => JSON.parse((await native.ok('ips', '--name', name, '--json')).stdout)
  const program = (file: string, ...args: string[]) =>
    execa(file, args, { env: native.env, extendEnv: false, reject: false })
  const healthy = () => eventually(status, (each) => each.state === 'deployed', 120_000)
  const busy = async () => (await connectedWorkers(scheduler)).filter((each) => each.busy > 0)
  const salted = () => [`--action_env=SALT=${Date.now()}`, '--jobs=50']
  const remoteOnly = /\d+ remote[,.]/

  beforeAll(async () => {
    if (!parts) return
    native = await createKindNative(parts, name, 'built')
    await mkdir(dirname(userKubeconfig()))
    await writeFile(userKubeconfig(), kubeconfig)
    before = await dockerHas(native)
  })
  afterAll(async () => {
    scheduler?.close()
    await hello?.remove()
    await workspace?.remove()
    await native?.dispose()
  })

  test('up makes the cluster, and leaves the current context alone', async () => {
    await native.ok('up', '--driver', 'kind', '--gateway', 'envoy', '--name', name)
    expect(await status()).toMatchObject({ driver: 'kind', state: 'up', servers: [], addresses: null })
    expect((await program('kubectl', 'config', 'get-contexts', '--output=name')).stdout.split('\n')).toEqual([
      `kind-${name}`,
      'other',
    ])
    expect((await program('kubectl', 'config', 'current-context')).stdout).toBe('other')
  })

  test('deploy ends when the servers answer through the gateways and every worker has run an action', async () => {
    await native.ok('deploy', '--name', name, '--workers', '4', '--slots', '1')
    const { state, problems, servers } = await status()
    expect({ state, problems }).toEqual({ state: 'deployed', problems: [] })
    const workers = ['worker-1', 'worker-2', 'worker-3', 'worker-4']
    expect(servers.map((each) => each.name)).toEqual(['cas', 'scheduler', ...workers])
  })

  test('ips prints both addresses', async () => {
    addresses = await ips()
    const { stdout } = await native.ok('ips', '--name', name)
    expect(stdout).toContain(`Cache IP: ${addresses.cache.address}`)
    expect(stdout).toContain(`Scheduler IP: ${addresses.scheduler.address}`)
    scheduler = openChannel(addresses.scheduler.url)
    expect(await connectedWorkers(scheduler)).toHaveLength(4)
  })

  test('Bazel builds hello_lre remotely, then out of the cache', async () => {
    hello = await createKindBazel(native, name, async (work) => {
      await native.ok('example', join(work.path, 'hello'))
      return 'hello'
    })
    const target = '//local-remote-execution/examples:hello_lre'
    const first = await hello.build(target)
    expect(first.exitCode, first.all).toBe(0)
    expect(first.all).toMatch(/\b2 remote\b/)
    await hello.clean()
    const second = await hello.build(target)
    expect(second.exitCode, second.all).toBe(0)
    expect(second.all).toMatch(/\b2 remote cache hit/)
    expect(second.all).not.toMatch(remoteOnly)
  })

  test('500 actions, while a worker dies and the scheduler is started anew', async () => {
    workspace = await createKindBazel(native, name, async (work) => {
      await work.copy('workspace', 'ws')
      return 'ws'
    })
    let ended = false
    const build = workspace.build(...salted(), '//many:all500').finally(() => {
      ended = true
    })
    const [worker] = await eventually(busy, (workers) => workers.length > 0)
    await native.kubectl('delete', 'pod', worker?.name ?? '', '--force', '--grace-period=0')
    await eventually(busy, (workers) => workers.some((each) => each.name !== worker?.name))
    await native.kubectl('delete', 'pod', '--selector', 'app.kubernetes.io/name=scheduler', '--wait=false')
    expect(ended).toBe(false)
    const ran = await build
    expect(ran.exitCode, ran.all).toBe(0)
    expect((await healthy()).problems).toEqual([])
  })

  test('what is cached outlives the pod of the cache', async () => {
    const args = salted()
    expect((await workspace.build(...args, '//gen/...')).all).toMatch(/\d+ remote[,.]/)
    await native.kubectl('delete', 'pod', 'cas-0')
    await healthy()
    await workspace.clean()
    const again = await workspace.build(...args, '//gen/...')
    expect(again.exitCode, again.all).toBe(0)
    expect(again.all).toMatch(/\d+ remote cache hit/)
    expect(again.all).not.toMatch(remoteOnly)
  })

  test('another deployment has the same addresses', async () => {
    await native.ok('deploy', '--name', name, '--workers', '1', '--property', 'pool=a')
    expect(await ips()).toEqual(addresses)
  })

  test('a silent stream passes the gateway for as long as it lasts', async () => {
    const watch = (seconds: number) => program('probe', 'watch', `${addresses.scheduler.address}:80`, String(seconds))
    const limit = (value: string) =>
      Promise.all([
        patch('clienttrafficpolicy/scheduler-gateway', value),
        patch('backendtrafficpolicy/scheduler-route', value),
      ])
    const patch = (policy: string, value: string) =>
      native.kubectl(
        ...['patch', policy, '--type=merge', '--patch'],
        JSON.stringify({ spec: { timeout: { http: { streamIdleTimeout: value } } } }),
      )
    const config = join(native.home, 'updates.yaml')
    await writeFile(config, 'workers: 1\nslots: 1\nscheduler:\n  update_every: 2s\n')
    await native.ok('deploy', '--name', name, '--config', config)
    // A gateway that cuts what is silent, as it would by default after five minutes.
    await limit('5s')
    await eventually(
      () => watch(9),
      ({ exitCode }) => exitCode !== 0,
    )
    // What the scheduler says meanwhile keeps a long action's stream.
    const ran = await native.ok('exec', '--name', name, '--fresh', '--', 'sleep', '15')
    expect(ran.exitCode).toBe(0)
    // The next deployment takes the foreign limit out again.
    await native.ok('deploy', '--name', name)
    await eventually(
      () => watch(9),
      ({ exitCode }) => exitCode === 0,
    )
  })

  // By hand, as it takes that long: NATIVE_TEST_LONG=1. Envoy's own limit is five minutes.
  test.runIf(process.env['NATIVE_TEST_LONG'])(
    'an Execute call gets its answer after ten minutes of silence',
    async () => {
      const config = join(native.home, 'silent.yaml')
      await writeFile(config, 'workers: 1\nslots: 1\nscheduler:\n  update_every: 1h\n')
      await native.ok('deploy', '--name', name, '--config', config)
      await native.ok('exec', '--name', name, '--fresh', '--', 'sleep', '600')
    },
  )

  test('status --json has the shape that it has of processes', async () => {
    const there = await status()
    await native.ok('deploy', '--driver', 'process', '--name', 'kc-process')
    try {
      const { stdout } = await native.ok('status', '--driver', 'process', '--name', 'kc-process', '--json')
      expect(fields(there)).toEqual(fields(JSON.parse(stdout)))
    } finally {
      await native.ok('down', '--driver', 'process', '--name', 'kc-process')
    }
  })

  test('down leaves docker and the kubeconfig as they were', async () => {
    const ours = await dockerHasOf(native, name)
    expect(ours.length).toBeGreaterThan(0)
    await native.ok('down', '--name', name)
    const after = await dockerHas(native)
    expect(after.filter((line) => ours.includes(line))).toEqual([])
    if (process.env['CI'] === 'true') expect(after).toEqual(before)
    expect(await readFile(userKubeconfig(), 'utf8')).toBe(kubeconfig)
    expect(await status()).toMatchObject({ state: 'absent' })
  })
})

/** The path of every field. */
function fields(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return unique(value.flatMap((each) => fields(each, `${path}[]`)))
  if (typeof value !== 'object' || value === null) return [path]
  return unique(Object.entries(value).flatMap(([key, each]) => fields(each, `${path}.${key}`)))
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)].sort()
}
