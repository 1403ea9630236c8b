import { X509Certificate } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { keptToken } from '../../../../src/access/token.ts'
import { runSteps } from '../../../../src/cli/tasks.ts'
import type { JoinOptions } from '../../../../src/cluster/options.ts'
import type { ProcessContext } from '../../../../src/cluster/process/context.ts'
import { exchangeOf } from '../../../../src/cluster/process/joined/files.ts'
import { type Asker, meetScheduler } from '../../../../src/cluster/process/joined/introduce.ts'
import { joinSteps } from '../../../../src/cluster/process/joined/join.ts'
import { leaveSteps } from '../../../../src/cluster/process/joined/leave.ts'
import { clusterPaths } from '../../../../src/cluster/process/paths.ts'
import { readMemory, writeMemory } from '../../../../src/cluster/process/state.ts'
import { askSupervisor } from '../../../../src/cluster/process/supervisor-client.ts'
import { bringUp } from '../../../../src/cluster/process/up.ts'
import type { ServerSpec } from '../../../../src/config/supervisor.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { isThere } from '../../../../src/host/files.ts'
import { takeLock } from '../../../../src/host/process-lock.ts'
import { runSupervisor } from '../../../../src/serve/supervisor/run.ts'
import { fingerprintOf } from '../../../../src/wire/tls/fingerprint.ts'
import { ownCertificates } from '../../../../src/wire/tls/own-certificates.ts'
import { testFolder } from '../../../fixture/folder.ts'
import { quietLog } from '../../../fixture/quiet-log.ts'
import { inviting, served } from './served.ts'

async function contextOf(): Promise<ProcessContext> {
  const folder = await testFolder()
  const env = { XDG_STATE_HOME: join(folder, 'state'), XDG_DATA_HOME: join(folder, 'data') }
  const user = { env, home: folder, tmp: folder, uid: process.getuid?.() ?? -1 }
  const machine = { platform: 'linux', arch: 'x64', cpus: 1 } as const
  return { paths: clusterPaths('native', user), user, machine, clock: systemClock, program: [], release: '1' }
}

function joined(
  context: ProcessContext,
  invitation: JoinOptions = { url: 'grpcs://127.0.0.1:1', token: 'a-token' },
): Promise<void> {
  const steps = joinSteps(context, invitation)
  const options = { presentation: 'silent', stream: new PassThrough(), retain: false } as const
  return runSteps(steps, { ...options, signal: AbortSignal.timeout(30_000) })
}

test('the data that `native down --keep-data` kept is not taken for a worker, which would remove it', async () => {
  const context = await contextOf()
  const kept = join(context.paths.data, 'cas', 'segment')
  await mkdir(join(context.paths.data, 'cas'), { recursive: true })
  await writeFile(kept, 'a cache')
  const refused = joined(context)
  await expect(refused).rejects.toMatchObject({ kind: 'exists', where: context.paths.data })
  await expect(refused).rejects.toMatchObject({ next: expect.arrayContaining([expect.stringContaining('--name')]) })
  expect(await isThere(kept)).toBe(true)
})

test('what a worker left that could not be removed is in nobody’s way', async () => {
  const context = await contextOf()
  await mkdir(join(context.paths.data, 'worker-1'), { recursive: true })
  await expect(joined(context)).rejects.toMatchObject({ kind: 'unavailable' })
})

/** A worker for another cluster, as a join before has left it, and its supervisor; no process of it stays up. */
async function workingForAnother({ paths }: ProcessContext): Promise<Readonly<Record<string, string>>> {
  for (const folder of [paths.configs, paths.logs, join(paths.state, 'joined')])
    await mkdir(folder, { recursive: true })
  const files = {
    [join(paths.state, 'joined', 'token')]: 'former token',
    [join(paths.configs, 'worker-1.yaml')]: 'former',
  }
  for (const [file, text] of Object.entries(files)) await writeFile(file, text)
  const joined = { scheduler: 'grpcs://former:50052', cas: 'grpcs://former:50051', worker: 'laptop' }
  await writeMemory(paths, { ports: { 'worker-1-metrics': 1 }, deployment: null, joined })
  const supervisor = await runSupervisor({
    settings: {
      version: 1,
      socket: paths.socket,
      logs: paths.logs,
      record: paths.supervisorRecord,
      program: ['/bin/false'],
      log: { bytesMax: 1_000_000 },
    },
    pid: process.pid,
    clock: systemClock,
    log: quietLog,
  })
  onTestFinished(() => {
    supervisor.stop()
    return supervisor.done
  })
  await askSupervisor(paths, { op: 'apply', servers: [formerSpec] })
  return files
}

/** As the line of an invitation has them. */
async function optionsFor({ folder, url, token }: Awaited<ReturnType<typeof served>>): Promise<JoinOptions> {
  const fingerprint = fingerprintOf(new X509Certificate(await readFile(ownCertificates(folder).ca)))
  return { url, token, fingerprint }
}

/** Who comes with the invitation of such a scheduler, and no more of a join than that. */
function askerOf({ paths }: ProcessContext, { url, token, tls }: Awaited<ReturnType<typeof inviting>>): Asker {
  return { url, token, tls, version: '1', exchange: exchangeOf(paths, token) }
}

const formerSpec: ServerSpec = {
  name: 'worker-1',
  role: 'worker',
  args: ['serve', 'worker'],
  fingerprint: 'former',
  address: null,
  metrics: null,
  drainMs: 1_000,
}

test('a machine that worked for another cluster goes on doing so when the new worker does not stay up', async () => {
  const context = await contextOf()
  const files = await workingForAnother(context)
  const memory = await readMemory(context.paths)
  await expect(joined(context, await optionsFor(await served('')))).rejects.toMatchObject({ kind: 'program' })
  for (const [file, text] of Object.entries(files)) expect(await readFile(file, 'utf8')).toBe(text)
  expect(await readMemory(context.paths)).toEqual(memory)
  expect(await readdir(join(context.paths.state, 'joined'))).toEqual(['token'])
  expect((await askSupervisor(context.paths, { op: 'status' })).desired).toEqual([formerSpec])
})

test('an invitation does for another attempt when the worker does not stay up, and its token is given back', async () => {
  const context = await contextOf()
  await workingForAnother(context)
  const scheduler = await inviting()
  await expect(joined(context, await optionsFor(scheduler))).rejects.toMatchObject({ kind: 'program' })
  expect(await scheduler.taken()).toEqual([])
  expect(await isThere(context.paths.exchange)).toBe(false)
  const met = await meetScheduler(askerOf(context, scheduler), AbortSignal.timeout(30_000))
  expect(await scheduler.taken()).toEqual([['laptop', keptToken(met.token)?.id]])
})

test('a machine whose exchange was not answered asks for the same token again, and is no other machine', async () => {
  const context = await contextOf()
  const scheduler = await inviting({ lost: 2 })
  const options = await optionsFor(scheduler)
  await expect(joined(context, options)).rejects.toMatchObject({ kind: 'unavailable', where: options.url })
  const taken = await scheduler.taken()
  expect(taken).toMatchObject([['laptop', expect.any(String)]])
  expect((await stat(context.paths.exchange)).mode & 0o777).toBe(0o600)
  expect(await readFile(context.paths.exchange, 'utf8')).not.toContain(scheduler.token)
  // This machine had nothing, and has nothing else of it.
  expect(await isThere(context.paths.state)).toBe(false)
  await expect(joined(context, options)).rejects.toMatchObject({ kind: 'unavailable', where: options.url })
  expect(await scheduler.taken()).toEqual(taken)
  const met = await meetScheduler(askerOf(context, scheduler), AbortSignal.timeout(30_000))
  expect(keptToken(met.token)?.id).toBe(taken[0]?.[1])
  expect(await scheduler.taken()).toEqual(taken)
})

test('what a join that was killed has left is removed by the next `up`, and the invitation of the worker stays', async () => {
  const { paths, ...context } = await contextOf()
  const kept = join(paths.state, 'joined', 'aaaaaaaaaaaa')
  for (const folder of [
    kept,
    join(paths.state, 'joined', 'bbbbbbbbbbbb'),
    join(paths.state, 'joined.old'),
    paths.configs,
  ]) {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'token'), 'a token')
  }
  await writeFile(
    join(paths.configs, 'worker-1.yaml'),
    `scheduler: grpcs://former:50052\ntoken: ${join(kept, 'token')}\nname: laptop\n`,
  )
  const joined = { scheduler: 'grpcs://former:50052', cas: 'grpcs://former:50051', worker: 'laptop' }
  await writeMemory(paths, { ports: { 'worker-1-metrics': 1 }, deployment: null, joined })
  const [, ports] = bringUp({ paths, ...context })
  await ports?.run({ signal: AbortSignal.timeout(10_000), say: () => undefined })
  expect(await readdir(join(paths.state, 'joined'))).toEqual(['aaaaaaaaaaaa'])
  expect(await isThere(join(kept, 'token'))).toBe(true)
  expect(await isThere(join(paths.state, 'joined.old'))).toBe(false)
})

test('whoever leaves holds the lock from the first step on', async () => {
  const context = await contextOf()
  const lock = await takeLock(context.paths.lock, { clock: systemClock })
  const leaving = AbortSignal.timeout(500)
  const options = { presentation: 'silent', stream: new PassThrough(), retain: false } as const
  const said: string[] = []
  const [first] = leaveSteps(context)
  const run = first?.run({ signal: leaving, say: (text) => void said.push(text) })
  // There is nothing to leave; that is found out only once nobody else works on it.
  await expect(run).rejects.not.toMatchObject({ kind: 'not-found' })
  expect(said.join()).toContain('waiting for another')
  await lock.release()
  await expect(
    runSteps(leaveSteps(context), { ...options, signal: AbortSignal.timeout(10_000) }),
  ).rejects.toMatchObject({
    kind: 'not-found',
  })
})
