import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import {
  askSupervisor,
  type SupervisorPaths,
  supervisorStatusAt,
} from '../../../src/cluster/process/supervisor-client.ts'
import type { SupervisorSettings, SupervisorStatus } from '../../../src/config/supervisor.ts'
import { testFolder } from '../../fixture/folder.ts'
import { isRunning } from '../../fixture/process.ts'
import { serverProgram, spec, supervisorProgram } from '../../fixture/supervised/specs.ts'

interface Started {
  readonly child: ChildProcess
  readonly settings: SupervisorSettings
  readonly paths: SupervisorPaths
}

/** A supervisor as a process of its own. */
async function started(folder: string): Promise<Started> {
  const settings: SupervisorSettings = {
    version: 1,
    socket: join(folder, 's.sock'),
    logs: folder,
    record: join(folder, 'servers.json'),
    program: serverProgram,
    log: { bytesMax: 1_000_000 },
  }
  const file = join(folder, 'supervisor.json')
  await writeFile(file, JSON.stringify(settings))
  const [program = '', ...args] = supervisorProgram
  const child = spawn(program, [...args, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  for await (const chunk of child.stdout ?? []) if (String(chunk).includes('supervising')) break
  return { child, settings, paths: { socket: settings.socket, supervisorRecord: settings.record } }
}

async function untilRunning(paths: SupervisorPaths, count: number): Promise<SupervisorStatus> {
  let status = await askSupervisor(paths, { op: 'status' })
  while (status.servers.filter(({ state }) => state === 'running').length !== count)
    status = await askSupervisor(paths, { op: 'status', after: status.revision, waitMs: 10_000 })
  return status
}

const pidsOf = ({ servers }: SupervisorStatus) => servers.flatMap(({ pid }) => (pid === null ? [] : [pid]))

test('no server outlives a supervisor that was killed with -9', { timeout: 30_000 }, async () => {
  const folder = await testFolder()
  const { child, paths } = await started(folder)
  await askSupervisor(paths, {
    op: 'apply',
    servers: [spec('cas'), spec('worker-1', { behaviour: 'stubborn' }), spec('worker-2')],
  })
  const pids = pidsOf(await untilRunning(paths, 3))
  child.kill('SIGKILL')
  await once(child, 'exit')
  await vi.waitFor(() => expect(pids.filter(isRunning)).toEqual([]), 10_000)
})

test('the next supervisor runs what the record says should run', { timeout: 30_000 }, async () => {
  const folder = await testFolder()
  const first = await started(folder)
  await askSupervisor(first.paths, { op: 'apply', servers: [spec('cas')] })
  await untilRunning(first.paths, 1)
  first.child.kill('SIGTERM')
  await once(first.child, 'exit')
  expect(await supervisorStatusAt(first.paths)).toBeUndefined()
  const second = await started(folder)
  expect((await untilRunning(second.paths, 1)).desired).toEqual([spec('cas')])
})

test('stop answers, ends the servers and the supervisor, and takes the socket away', { timeout: 30_000 }, async () => {
  const { child, settings, paths } = await started(await testFolder())
  await askSupervisor(paths, { op: 'apply', servers: [spec('cas')] })
  const pids = pidsOf(await untilRunning(paths, 1))
  await askSupervisor(paths, { op: 'stop', graceMs: 5_000 })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(pids.filter(isRunning)).toEqual([])
  await expect(stat(settings.socket)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('the socket is its user’s alone, and takes no nonsense', { timeout: 30_000 }, async () => {
  const { settings } = await started(await testFolder())
  expect((await stat(settings.socket)).mode & 0o777).toBe(0o600)
  expect(await said(settings.socket, 'nonsense\n')).toMatchObject({ ok: false, message: 'a line is not JSON' })
  expect(await said(settings.socket, '{"version":2,"op":"status"}\n')).toMatchObject({ ok: false })
  expect(await said(settings.socket, '{"version":1,"op":"explode"}\n')).toMatchObject({ ok: false })
  expect(await said(settings.socket, 'x'.repeat(2_000_000))).toMatchObject({ ok: false })
  expect(await said(settings.socket, '{"version":1,"op":"status"}\n')).toMatchObject({ ok: true })
})

test('a second supervisor on the same socket refuses to start', { timeout: 30_000 }, async () => {
  const folder = await testFolder()
  await started(folder)
  const [program = '', ...args] = supervisorProgram
  const second = spawn(program, [...args, join(folder, 'supervisor.json')], { stdio: 'ignore' })
  expect((await once(second, 'exit'))[0]).not.toBe(0)
})

/** The first answer to a text, as it stands. */
async function said(socket: string, text: string): Promise<unknown> {
  const connection = connect(socket)
  connection.on('error', () => undefined)
  connection.write(text)
  let answer = ''
  for await (const chunk of connection) {
    answer += String(chunk)
    if (answer.includes('\n')) break
  }
  connection.destroy()
  return JSON.parse(answer)
}
