import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectedWorkers } from '../../../src/client/fleet.ts'
import type { Addresses } from '../../../src/cluster/addresses.ts'
import type { ClusterStatus } from '../../../src/cluster/status.ts'
import { openChannel } from '../../../src/wire/channel.ts'
import { openDirectChannel } from '../../../src/wire/direct.ts'
import { authorizedChannel } from '../../../src/wire/identity.ts'
import type { Channel } from '../../../src/wire/rpc.ts'
import { openClientTls } from '../../../src/wire/tls/client-tls.ts'
import { readDocuments } from '../../fixture/documents.ts'
import { eventually } from '../../fixture/eventually.ts'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { createKindNative, dockerHas, dockerHasOf, type KindNative } from '../../fixture/kind.ts'
import { createKindBazel, type KindBazel } from '../../fixture/kind-bazel.ts'
import { kindParts } from '../../fixture/kind-parts.ts'
import { linkedPath, root } from '../../fixture/program.ts'
import { createWorkdir, have, npmModules } from '../../fixture/real.ts'

// A kind cluster from `up` to `down` as its user goes: what docs/kubernetes.md says, and Bazel through both
// gateways before its last line. The tests build on each other.

const name = 'kc-journey'
const parts = await kindParts()
const blocks = (await readDocuments()).blocks.filter(({ language, mark }) => language === 'sh' && mark === 'kind')
const lines = blocks.flatMap(({ text }) => text.trimEnd().split('\n'))
const isThere = parts !== undefined && (await have('sid:bazel', 'npm:@bazel/bazel-linux_x64', 'skopeo'))

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
  let path: string
  let hello: KindBazel
  let workspace: KindBazel
  let addresses: Addresses
  let scheduler: Channel
  let before: string[]
  const told = new Map<string, string>()

  const userKubeconfig = () => join(native.home, '.kube/config')
  const status = async (): Promise<ClusterStatus> => JSON.parse((await native.ok('status', '--json')).stdout)
  const ips = async (): Promise<Addresses> => JSON.parse((await native.ok('ips', '--json')).stdout)
  const program = (file: string, ...args: string[]) =>
    execa(file, args, { env: native.env, extendEnv: false, reject: false })
  /** A line of docs/kubernetes.md, in the checkout. */
  const bash = (line: string) =>
    execa('bash', ['-euo', 'pipefail', '-c', line], {
      cwd: root,
      env: { ...native.env, PATH: path },
      extendEnv: false,
      reject: false,
      all: true,
      stdin: 'ignore',
    })
  const healthy = () => eventually(status, (each) => each.state === 'deployed', 120_000)
  const busy = async () => (await connectedWorkers(scheduler)).filter((each) => each.busy > 0)
  const salted = () => [`--action_env=SALT=${Date.now()}`, '--jobs=50']
  const remoteOnly = /\d+ remote[,.]/

  beforeAll(async () => {
    if (!parts) return
    native = await createKindNative(parts, name, 'built')
    path = await linkedPath(native.home, native.env['PATH'])
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

  test('docs/kubernetes.md makes the cluster, its images and servers, and tells of them; the current context stays', async () => {
    expect(blocks).toHaveLength(1)
    expect(lines.at(-1)).toBe('native down')
    for (const line of lines.slice(0, -1)) {
      const { exitCode, all } = await bash(line)
      expect(exitCode, `${line}\n${all}`).toBe(0)
      told.set(line, all)
    }
    expect(await readFile(join(native.home, '.bazelrc'), 'utf8')).toContain((await ips()).scheduler.address)
    expect(told.get('native status')).toMatch(/worker-1\b.*ready/)
    expect(told.get('native logs worker-1')).toMatch(/\S/)
    const { driver, state, problems } = await status()
    expect({ driver, state, problems }).toEqual({ driver: 'kind', state: 'deployed', problems: [] })
    expect((await program('kubectl', 'config', 'get-contexts', '--output=name')).stdout.split('\n')).toEqual([
      `kind-${name}`,
      'other',
    ])
    expect((await program('kubectl', 'config', 'current-context')).stdout).toBe('other')
  })

  test('ips prints both addresses', async () => {
    addresses = await ips()
    const stdout = told.get('native ips')
    expect(stdout).toContain(`Cache IP: ${addresses.cache.address}`)
    expect(stdout).toContain(`Scheduler IP: ${addresses.scheduler.address}`)
  })

  test('a further deployment ends when every worker has run an action', async () => {
    await native.ok('deploy', '--workers', '4', '--slots', '1')
    const { state, problems, servers } = await status()
    expect({ state, problems }).toEqual({ state: 'deployed', problems: [] })
    const workers = ['worker-1', 'worker-2', 'worker-3', 'worker-4']
    expect(servers.map((each) => each.name)).toEqual(['cas', 'scheduler', ...workers, 'console'])
    expect(await ips()).toEqual(addresses)
    scheduler = openChannel(addresses.scheduler.url)
    expect(await connectedWorkers(scheduler)).toHaveLength(4)
  })

  test("images go into the cluster's registry and out of it, whole", async () => {
    const made = await makeImage()
    const [there, back] = [join(native.home, 'there'), join(native.home, 'back')]
    await writeLayout(there, made, 'it')
    const copy = async (...args: string[]) => JSON.parse((await native.ok('image', 'copy', '--json', ...args)).stdout)
    expect(await copy(`oci:${there}:it`, `kind:${name}/x:1`)).toMatchObject({
      digest: made.digest,
      podsImage: `native-registry:5000/x@${made.digest}`,
    })
    const port = (await native.docker('port', `native-${name}-registry`, '5000/tcp')).trim()
    expect(await digestOf(`docker://${port}/x:1`, '--tls-verify=false')).toBe(made.digest)
    await copy(`kind:${name}/x:1`, `oci:${back}:it`)
    expect(await digestOf(`oci:${back}:it`)).toBe(made.digest)
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

  test('native builds tells of both through the Gateway, and native open brings their page to this machine', async () => {
    const { builds } = await eventually(
      async () => JSON.parse((await native.ok('builds', '--json')).stdout) as { builds: Told[] },
      ({ builds: [last] }) => last?.hits === 2 && last.told?.exit !== undefined,
    )
    expect(builds[0]).toMatchObject({ tool: 'bazel', told: { command: 'build', exit: { name: 'SUCCESS' } } })
    expect((await native.ok('explain', builds[1]?.id ?? '')).stdout).toContain('never seen')
    const page = execa(process.execPath, [join(root, 'bin/run.js'), 'open', '--no-browser'], {
      env: native.env,
      extendEnv: false,
    })
    const [url] = await once(page.stdout, 'data')
    const answer = await fetch(`${String(url).trim()}build/${builds[0]?.id}`)
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('hello_lre')])
    page.kill('SIGINT')
    expect((await page).exitCode).toBe(0)
  })

  test('500 actions, while a worker dies and the scheduler is started anew', async () => {
    workspace = await createKindBazel(native, name, async (work) => {
      await work.copy('workspace', 'ws')
      return 'ws'
    })
    let ended = false
    // Bazel's own five tries last 3 s; a pod of a busy machine takes longer to start.
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
    await native.ok('deploy', '--workers', '1', '--property', 'pool=a')
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
    await native.ok('deploy', '--config', config)
    // A gateway that cuts what is silent, as it would by default after five minutes.
    await limit('5s')
    await eventually(
      () => watch(7),
      ({ exitCode }) => exitCode !== 0,
    )
    // What the scheduler says meanwhile keeps a long action's stream.
    const ran = await native.ok('exec', '--fresh', '--', 'sleep', '9')
    expect(ran.exitCode).toBe(0)
    // The next deployment takes the foreign limit out again.
    await native.ok('deploy')
    await eventually(
      () => watch(7),
      ({ exitCode }) => exitCode === 0,
    )
  })

  // By hand, as it takes that long: NATIVE_TEST_LONG=1. Envoy's own limit is five minutes.
  test.runIf(process.env['NATIVE_TEST_LONG'])(
    'an Execute call gets its answer after ten minutes of silence',
    async () => {
      const config = join(native.home, 'silent.yaml')
      await writeFile(config, 'workers: 1\nslots: 1\nscheduler:\n  update_every: 1h\n')
      await native.ok('deploy', '--config', config)
      await native.ok('exec', '--fresh', '--', 'sleep', '600')
    },
  )

  test('status --json has the shape that it has of processes', async () => {
    const there = await status()
    await native.ok('deploy', '--driver', 'process', '--name', 'kc-process')
    try {
      const { stdout } = await native.ok('status', '--driver', 'process', '--name', 'kc-process', '--json')
      // Builds that something is kept for are a list, which is empty where none ran lately.
      const shape = (each: unknown) => fields(each).filter((path) => !path.startsWith('.cache.pins.holders'))
      expect(shape(there)).toEqual(shape(JSON.parse(stdout)))
    } finally {
      await native.ok('down', '--driver', 'process', '--name', 'kc-process')
    }
  })

  // Debian's Bazel 7 has no ALPN for gRPC over TLS, and 2.1 sends no credentials with its first call: so one after the other.
  test('with TLS Bazel 2.1.0 builds through the Gateways', async () => {
    await native.ok('deploy', '--tls', 'auto')
    const { cache, scheduler: door } = await ips()
    expect([cache.url, door.url]).toEqual([
      `grpcs://${addresses.cache.address}:443`,
      `grpcs://${addresses.scheduler.address}:443`,
    ])
    const work = createWorkdir()
    try {
      await mkdir(join(work.path, 'ws'))
      await writeFile(join(work.path, 'ws/WORKSPACE'), '')
      const command = '"echo hello | tr a-z A-Z > $@"'
      await writeFile(join(work.path, 'ws/BUILD'), `genrule(name = "upper", outs = ["upper.txt"], cmd = ${command})\n`)
      const bazel = [
        join(npmModules, '@bazel/bazel-linux_x64/bazel-2.1.0-linux-x86_64'),
        `--output_user_root=${join(work.path, 'out')}`,
        '--max_idle_secs=60',
      ]
      const places = [
        `--remote_cache=${cache.url}`,
        `--remote_executor=${door.url}`,
        `--tls_certificate=${door.tls?.ca}`,
      ]
      const ran = await work.host([...bazel, 'build', '--spawn_strategy=remote', ...places, '//:upper'], { cwd: 'ws' })
      await work.host([...bazel, 'shutdown'], { cwd: 'ws' })
      expect(ran.exitCode, ran.all).toBe(0)
      expect(ran.all).toMatch(/1 process: 1 remote\./)
    } finally {
      await work.remove()
    }
  })

  test('with tokens besides, whoever has none or was revoked is refused, and a machine joins through a Gateway', async () => {
    await native.ok('deploy', '--access', 'team')
    await native.ok('exec', '--fresh', '--', 'true')
    const { scheduler: door } = await ips()
    const made = await native.ok('token', 'create', '--name', 'ci', '--role', 'reader', '--json')
    const tls = await openClientTls({ ca: door.tls?.ca })
    const channel = openDirectChannel(door.url, { tls })
    try {
      const asked = (authorization?: string) =>
        connectedWorkers(authorizedChannel(channel, () => authorization)).then(
          () => 'answered',
          (error: Error) => error.message,
        )
      expect(await asked()).toContain('this server needs credentials')
      const own = `Bearer ${JSON.parse(made.stdout).token}`
      expect(await asked(own)).toBe('answered')
      await native.ok('token', 'revoke', 'ci')
      await eventually(
        () => asked(own),
        (said) => said.includes('was revoked'),
      )
    } finally {
      channel.close()
      tls.close()
    }
    const invitation = JSON.parse((await native.ok('invite', '--json')).stdout)
    const own = ['--name', 'kc-laptop', '--worker', 'laptop', '--slots', '1', '--sandbox', 'off']
    await native.ok('join', invitation.url, '--token', invitation.token, '--ca', invitation.ca, ...own)
    try {
      expect((await status()).otherWorkers).toMatchObject([{ name: 'laptop', slots: 1 }])
      const there = await native.ok('exec', '--fresh', '--property', 'native:worker=laptop', '--', 'pwd')
      expect(there.stdout).toContain('kc-laptop')
    } finally {
      await native.ok('leave', '--name', 'kc-laptop')
    }
  })

  test('down leaves docker and the kubeconfig as they were', async () => {
    const ours = await dockerHasOf(native, name)
    expect(ours.length).toBeGreaterThan(0)
    const { exitCode, all } = await bash(lines.at(-1) ?? '')
    expect(exitCode, all).toBe(0)
    const after = await dockerHas(native)
    expect(after.filter((line) => ours.includes(line))).toEqual([])
    if (process.env['CI'] === 'true') expect(after).toEqual(before)
    expect(await readFile(userKubeconfig(), 'utf8')).toBe(kubeconfig)
    expect(await status()).toMatchObject({ state: 'absent' })
  })
})

/** A build as `native builds --json` tells of it. */
interface Told {
  readonly id: string
  readonly hits: number
  readonly told?: { readonly exit?: object }
}

/** As skopeo reads it. */
async function digestOf(place: string, ...flags: string[]): Promise<string> {
  const { stdout } = await execa('skopeo', ['inspect', '--format', '{{.Digest}}', ...flags, place])
  return stdout
}

/** The path of every field. */
function fields(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return unique(value.flatMap((each) => fields(each, `${path}[]`)))
  if (typeof value !== 'object' || value === null) return [path]
  return unique(Object.entries(value).flatMap(([key, each]) => fields(each, `${path}.${key}`)))
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)].sort()
}
