import { spawn } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import type { Driver } from '../../src/cluster/driver.ts'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import { digestOf } from '../../src/core/hash.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { isRunning } from '../fixture/process.ts'
import { createProcessPlace, type ProcessPlace } from '../fixture/process-cluster.ts'
import { ran } from '../fixture/steps.ts'

async function place(names?: readonly string[]): Promise<ProcessPlace> {
  const made = await createProcessPlace(names)
  onTestFinished(() => made.dispose())
  return made
}

async function recordedPids(made: ProcessPlace): Promise<{ supervisor: number; servers: number[] }> {
  const record = JSON.parse(await readFile(made.paths.supervisorRecord, 'utf8'))
  return { supervisor: record.pid, servers: record.servers.map(({ pid }: { pid: number }) => pid) }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

const untilGone = (pids: readonly number[]) =>
  vi.waitFor(() => expect(pids.filter(isRunning)).toEqual([]), { timeout: 10_000 })
const untilState = (driver: Driver, state: ClusterStatus['state']) =>
  vi.waitFor(async () => expect((await driver.status()).state).toBe(state), { timeout: 20_000, interval: 200 })

test('all files are below the XDG folders, for this user alone, and down leaves none and no process', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({}))
  expect((await readdir(made.folder)).sort()).toEqual(['data', 'state'])
  for (const folder of [made.paths.state, made.paths.data, made.paths.logs])
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
  const { supervisor, servers } = await recordedPids(made)
  await ran(driver.down({}))
  expect([supervisor, ...servers].filter(isRunning)).toEqual([])
  expect(await readdir(join(made.folder, 'state'))).toEqual([])
  expect(await readdir(join(made.folder, 'data'))).toEqual([])
})

test('after kill -9 of the supervisor no server is left; up mends it, on the same ports', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({}))
  const before = await driver.addresses()
  const { supervisor, servers } = await recordedPids(made)
  process.kill(supervisor, 'SIGKILL')
  await untilGone(servers)
  expect(await driver.status()).toMatchObject({ state: 'failed', problems: [expect.stringContaining('native up')] })
  await expect(driver.addresses()).rejects.toMatchObject({ kind: 'unavailable' })
  await ran(driver.up({ retain: false }))
  await untilState(driver, 'deployed')
  expect(await driver.addresses()).toEqual(before)
})

test('a console runs unless it is not wanted, and its history is kept while there is none', async () => {
  const made = await place()
  const driver = await made.open()
  const consoleOf = async () => (await driver.status()).servers.find(({ role }) => role === 'console')
  await ran(driver.deploy({ workers: 0 }))
  expect(await consoleOf()).toMatchObject({ name: 'console', state: 'ready' })
  expect((await driver.addresses()).console?.address).toBe((await consoleOf())?.address)
  await ran(driver.deploy({ console: false }))
  expect(await consoleOf()).toBeUndefined()
  expect((await driver.addresses()).console).toBeUndefined()
  expect(await readdir(join(made.paths.data, 'console'))).toContain('history.db')
  await ran(driver.deploy({}))
  expect(await consoleOf()).toBeUndefined()
  await ran(driver.deploy({ console: true }))
  expect(await consoleOf()).toMatchObject({ state: 'ready' })
})

test('down works where the supervisor was killed', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 0 }))
  const { supervisor, servers } = await recordedPids(made)
  process.kill(supervisor, 'SIGKILL')
  await ran(driver.down({}))
  await untilGone([supervisor, ...servers])
  expect(await driver.status()).toMatchObject({ state: 'absent' })
})

test('status answers though a worker and the supervisor hang, and says which', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({}))
  const { supervisor, servers } = await recordedPids(made)
  // cas, scheduler, worker-1, console
  const hung = [supervisor, servers[2] ?? 0]
  for (const pid of hung) process.kill(pid, 'SIGSTOP')
  try {
    const { state, servers: shown, problems, cache } = await driver.status()
    expect(state).toBe('degraded')
    expect(shown.map((each) => each.state)).toEqual(['ready', 'ready', 'unresponsive', 'ready'])
    expect(problems).toEqual([expect.stringContaining(`kill -9 ${supervisor}`), expect.stringContaining('worker-1')])
    expect(cache).not.toBeNull()
  } finally {
    for (const pid of hung) process.kill(pid, 'SIGCONT')
  }
})

test.each(['up', 'deploy'] as const)(
  '%s says which supervisor hangs, and what it says to do works',
  async (operation) => {
    const made = await place()
    const driver = await made.open()
    await ran(driver.deploy({ workers: 0 }))
    const before = await driver.addresses()
    const { supervisor, servers } = await recordedPids(made)
    process.kill(supervisor, 'SIGSTOP')
    await expect(ran(driver[operation]({ retain: false }))).rejects.toMatchObject({
      kind: 'unavailable',
      message: `the supervisor (process ${supervisor}) does not answer`,
      next: [expect.stringContaining(`\`kill -9 ${supervisor}\`, then \`native up\``)],
    })
    process.kill(supervisor, 'SIGKILL')
    await untilGone(servers)
    await ran(driver.up({ retain: false }))
    await untilState(driver, 'deployed')
    expect(await driver.addresses()).toEqual(before)
  },
)

test('status tells what the cache holds, what was asked of it, and who is of which release', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 2, cacheSizeBytes: 100e6 }))
  const channel = openDirectChannel((await driver.addresses()).cache.url)
  onTestFinished(() => channel.close())
  await createCasClient(channel).findMissing([digestOf('sha256', Buffer.from('nobody has this'))])
  const { cache, workerCaches, servers, version } = await driver.status()
  expect(version).toBe('test')
  expect(cache).toMatchObject({ limitBytes: 100e6, entries: expect.any(Number), evictedUnusedSeconds: null })
  expect(cache?.usedBytes).toBeGreaterThan(0)
  expect(cache?.sinceStart).toEqual(cache?.lastHour)
  expect(cache?.sinceStart.blobs.misses).toBeGreaterThan(0)
  expect(cache?.sinceStart.evicted).toEqual({ count: 0, bytes: 0 })
  expect(workerCaches?.workers).toBe(2)
  // The program of these tests calls itself "test".
  for (const server of servers) expect(server.notes).toEqual([expect.stringContaining('native deploy')])
})

test('a server that is killed comes back by itself', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 0 }))
  const cas = (await driver.status()).servers.find(({ name }) => name === 'cas')
  process.kill(Number(cas?.id), 'SIGKILL')
  await vi.waitFor(
    async () => {
      const { servers } = await driver.status()
      expect(servers.find(({ name }) => name === 'cas')).toMatchObject({ state: 'ready', restarts: 1 })
    },
    { timeout: 20_000, interval: 200 },
  )
})

test('a usual port that is taken is passed over and told; two clusters stand side by side', async () => {
  const made = await place(['native', 'second'])
  // Taken by us, or by someone else already.
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve())
    server.listen(50051, '127.0.0.1', resolve)
  })
  const first = await made.open()
  expect((await ran(first.up({ retain: false }))).join('\n')).toMatch(
    /^Ports: cache \d+, scheduler \d+; taken by others: .*\b50051\b/m,
  )
  await ran(first.deploy({ workers: 0 }))
  const second = await made.open('second')
  await ran(second.deploy({ workers: 0 }))
  const used = [...Object.values(await first.addresses()), ...Object.values(await second.addresses())]
  expect(new Set(used.map(({ address }) => address)).size).toBe(6)
  expect(used.map(({ address }) => address)).not.toContain('127.0.0.1:50051')
  const others = second.checks(second.status()).find(({ title }) => title === 'other clusters')
  const [cache, scheduler] = used.map(({ address }) => address.split(':')[1])
  expect(await others?.run()).toMatchObject({ found: `"native" (ports ${cache} and ${scheduler})` })
})

/** Listens where something of the cluster should. */
async function squat(address: string): Promise<void> {
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(Number(address.split(':')[1]), '127.0.0.1', resolve)
  })
}

const portsIn = async (made: ProcessPlace): Promise<Record<string, number>> =>
  JSON.parse(await readFile(made.paths.cluster, 'utf8')).ports

test('ports that are asked for are given, and stay over redeployments and down --keep-data', async () => {
  const made = await place()
  const driver = await made.open()
  const [one, other, later] = [await freePort(), await freePort(), await freePort()]
  await ran(driver.deploy({ workers: 0, port: one, schedulerPort: other }))
  const asked = { cache: { address: `127.0.0.1:${one}` }, scheduler: { address: `127.0.0.1:${other}` } }
  expect(await driver.addresses()).toMatchObject(asked)
  await ran(driver.deploy({ workers: 1 }))
  expect(await driver.addresses()).toMatchObject(asked)
  await ran(driver.down({ keepData: true }))
  await ran(driver.deploy({ workers: 0 }))
  expect(await driver.addresses()).toMatchObject(asked)
  await ran(driver.deploy({ port: later, schedulerPort: other }))
  expect(await driver.addresses()).toMatchObject({ ...asked, cache: { address: `127.0.0.1:${later}` } })
})

test('a port that cannot be had is refused before anything is touched', async () => {
  const made = await place(['native', 'second'])
  const driver = await made.open()
  const second = await made.open('second')
  const server = createServer()
  onTestFinished(() => void server.close())
  const busy = await listening(server)
  await expect(ran(second.deploy({ port: busy, schedulerPort: await freePort() }))).rejects.toMatchObject({
    kind: 'exists',
    message: expect.stringContaining(String(busy)),
  })
  expect(await readdir(made.folder)).toEqual([])
  await ran(driver.deploy({ workers: 0 }))
  const before = await driver.status()
  const portOf = (address: string) => Number(address.split(':')[1])
  const { cache, scheduler } = await driver.addresses()
  for (const options of [
    { port: busy },
    { schedulerPort: busy },
    { port: portOf(scheduler.address), schedulerPort: portOf(cache.address) },
    { port: portOf(before.servers[0]?.metrics ?? '') },
  ])
    await expect(ran(driver.deploy(options))).rejects.toMatchObject({ kind: 'exists' })
  await expect(ran(driver.deploy({ port: 65_535 }))).rejects.toMatchObject({ kind: 'invalid' })
  await expect(ran(second.deploy({ port: portOf(cache.address) }))).rejects.toMatchObject({ kind: 'exists' })
  const pids = ({ servers }: ClusterStatus) => servers.map(({ id }) => id)
  expect(pids(await driver.status())).toEqual(pids(before))
})

test('a port that is taken between up and the first deploy is chosen anew', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.up({ retain: false }))
  const { cas } = await portsIn(made)
  await squat(`127.0.0.1:${cas}`)
  await ran(driver.deploy({ workers: 0 }))
  expect((await driver.addresses()).cache.address).not.toBe(`127.0.0.1:${cas}`)
})

test('a port of a new worker that is taken while it is deployed is chosen anew', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 0 }))
  const steps = driver.deploy({ workers: 1 })
  const servers = steps.findIndex(({ title }) => title === 'Servers')
  await ran(steps.slice(0, servers))
  const { 'worker-1-metrics': port } = await portsIn(made)
  await squat(`127.0.0.1:${port}`)
  await ran(steps.slice(servers))
  expect(await portsIn(made)).not.toMatchObject({ 'worker-1-metrics': port })
  expect((await driver.status()).state).toBe('deployed')
})

test('a port that is taken after it was told is not given up: deploy names it', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 0 }))
  const { cache } = await driver.addresses()
  const { supervisor, servers } = await recordedPids(made)
  process.kill(supervisor, 'SIGKILL')
  await untilGone(servers)
  await squat(cache.address)
  await expect(ran(driver.deploy({}))).rejects.toMatchObject({
    kind: 'exists',
    message: expect.stringContaining(cache.address),
    next: [expect.stringContaining('native down')],
  })
})

test('data outlives down where it is asked for', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 0 }))
  await ran(driver.down({ keepData: true }))
  expect(await readdir(made.paths.data)).toContain('cas')
  expect(await readdir(join(made.folder, 'state'))).toEqual([])
  expect(await driver.status()).toMatchObject({ state: 'absent', keptData: made.paths.data })
  await ran(driver.up({ retain: false }))
  expect(await driver.status()).toMatchObject({ state: 'up', keptData: null })
  await ran(driver.down({}))
  expect(await driver.status()).toMatchObject({ state: 'absent', keptData: null })
})

test('a stranger who has a recorded process id is left alone', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 0 }))
  const { supervisor, servers } = await recordedPids(made)
  process.kill(supervisor, 'SIGKILL')
  await untilGone(servers)
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })
  onTestFinished(() => {
    stranger.kill('SIGKILL')
  })
  const record = JSON.parse(await readFile(made.paths.supervisorRecord, 'utf8'))
  record.pid = stranger.pid
  for (const each of record.servers) each.pid = stranger.pid
  await writeFile(made.paths.supervisorRecord, JSON.stringify(record))
  await ran(driver.up({ retain: false }))
  await ran(driver.down({}))
  expect(isRunning(stranger.pid ?? 0)).toBe(true)
})

test('a damaged state is told, and down cures it', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.up({ retain: false }))
  await writeFile(made.paths.cluster, '{"version":')
  await expect(ran(driver.up({ retain: false }))).rejects.toMatchObject({
    kind: 'corrupt',
    next: [expect.stringContaining('native down')],
  })
  await ran(driver.down({}))
  await ran(driver.up({ retain: false }))
  expect(await driver.status()).toMatchObject({ state: 'up' })
})

test('a deployment that fails leaves the former one running, and shows the log', async () => {
  const made = await place()
  const driver = await made.open()
  await ran(driver.deploy({ workers: 1, access: 'team' }))
  const configFile = join(made.folder, 'bad.yaml')
  await writeFile(configFile, 'workers: 1\ncas: {store: {path: /dev/null/cas}}\n')
  await expect(ran(driver.deploy({ configFile }))).rejects.toMatchObject({
    kind: 'program',
    message: expect.stringContaining('the cache does not keep running'),
    output: expect.stringMatching(/./),
  })
  expect(await driver.status()).toMatchObject({ state: 'deployed', problems: [] })
  // Whoever deployed it has a token, although the one that failed asked nobody.
  expect(await driver.addresses()).toHaveProperty('cache')
})

test('an up that is interrupted leaves nothing', async () => {
  const made = await place()
  const driver = await made.open()
  const controller = new AbortController()
  const steps = driver.up({ retain: false })
  const last = steps.at(-1)
  const interrupted = [
    ...steps.slice(0, -1),
    ...(last ? [{ ...last, run: async () => controller.abort(new Error('interrupted')) }] : []),
  ]
  await expect(ran(interrupted, { signal: controller.signal })).rejects.toThrow('interrupted')
  expect(await driver.status()).toMatchObject({ state: 'absent' })
  expect(await readdir(join(made.folder, 'state'))).toEqual([])
})
