import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { SupervisorStatus } from '../../../src/config/supervisor.ts'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { launch } from '../../../src/serve/supervisor/launch.ts'
import { createSupervisor, type Supervisor } from '../../../src/serve/supervisor/supervisor.ts'
import { manualClock } from '../../fixture/manual-clock.ts'
import { isRunning } from '../../fixture/process.ts'
import { quietLog } from '../../fixture/quiet-log.ts'
import { serverProgram, spec } from '../../fixture/supervised/specs.ts'

interface Harness {
  readonly supervisor: Supervisor
  /** Waits for a status that is as asked. */
  until(what: (status: SupervisorStatus) => boolean): Promise<SupervisorStatus>
  /** What the servers wrote. */
  readonly output: () => string
}

/** A supervisor of real processes. */
function harness(clock: Clock = systemClock): Harness {
  const watchers = new Set<() => void>()
  const log = new PassThrough()
  let output = ''
  log.on('data', (chunk) => {
    output += String(chunk)
    for (const wake of watchers) wake()
  })
  const supervisor = createSupervisor({
    pid: process.pid,
    clock,
    log: quietLog,
    record: () =>
      queueMicrotask(() => {
        for (const wake of watchers) wake()
      }),
    launch: (each) => launch([...serverProgram, ...each.args, '--parent-fd', '3'], log),
  })
  onTestFinished(() => supervisor.stop(0))
  return {
    supervisor,
    output: () => output,
    until: (what) =>
      new Promise((resolve) => {
        const wake = () => {
          const status = supervisor.status()
          if (!what(status)) return
          watchers.delete(wake)
          resolve(status)
        }
        watchers.add(wake)
        wake()
      }),
  }
}

const pidOf = (status: SupervisorStatus, name: string) =>
  status.servers.find((each) => each.spec.name === name)?.pid ?? undefined
const running = (count: number) => (status: SupervisorStatus) =>
  status.servers.filter(({ state }) => state === 'running').length === count

test('what crashes is started again after a pause that doubles', async () => {
  const clock = manualClock()
  const { supervisor, until } = harness(clock)
  supervisor.apply([spec('cas', { behaviour: 'crash' })])
  const first = await until(({ servers }) => servers[0]?.restarts === 1)
  expect(first.servers[0]).toMatchObject({ state: 'waiting', lastEnd: 'exit code 7', pid: null })
  expect(clock.next).toBe(100)
  clock.advance(100)
  await until(({ servers }) => servers[0]?.restarts === 2)
  expect(clock.next).toBe(1_000)
})

test('a program that cannot be started at all is tried again too', async () => {
  const clock = manualClock()
  const missing = createSupervisor({
    pid: 1,
    clock,
    log: quietLog,
    record: () => undefined,
    launch: () => launch(['/no/such/program'], new PassThrough()),
  })
  missing.apply([spec('cas')])
  for (let status = missing.status(); status.servers[0]?.state !== 'waiting'; )
    status = await missing.next(status.revision, 60_000)
  expect(missing.status().servers[0]?.lastEnd).toContain('cannot be started')
  await missing.stop(0)
})

test('a killed server comes back, the others stay', async () => {
  const clock = manualClock()
  const { supervisor, until } = harness(clock)
  supervisor.apply([spec('cas'), spec('worker-1')])
  const before = await until(running(2))
  process.kill(pidOf(before, 'worker-1') ?? 0, 'SIGKILL')
  const killed = await until(({ servers }) => servers.some(({ state }) => state === 'waiting'))
  expect(killed.servers.find(({ state }) => state === 'waiting')?.lastEnd).toBe('signal SIGKILL')
  clock.advance(1_000)
  const after = await until(running(2))
  expect(pidOf(after, 'cas')).toBe(pidOf(before, 'cas'))
  expect(pidOf(after, 'worker-1')).not.toBe(pidOf(before, 'worker-1'))
})

test('applying again restarts only what changed, ends what is gone, starts what is new', async () => {
  const { supervisor, until } = harness()
  supervisor.apply([spec('cas'), spec('worker-1'), spec('worker-2')])
  const before = await until(running(3))
  supervisor.apply([spec('cas'), spec('worker-1', { fingerprint: '2' }), spec('worker-3')])
  const after = await until(
    (status) => running(3)(status) && status.servers.some(({ spec: { name } }) => name === 'worker-3'),
  )
  expect(after.servers.map(({ spec: { name } }) => name).sort()).toEqual(['cas', 'worker-1', 'worker-3'])
  expect(pidOf(after, 'cas')).toBe(pidOf(before, 'cas'))
  expect(pidOf(after, 'worker-1')).not.toBe(pidOf(before, 'worker-1'))
  expect(isRunning(pidOf(before, 'worker-2') ?? 0)).toBe(false)
  expect(after.servers.every(({ restarts }) => restarts === 0)).toBe(true)
})

test('the last of two applies counts', async () => {
  const { supervisor, until } = harness()
  supervisor.apply([spec('cas'), spec('worker-1')])
  await until(running(2))
  supervisor.apply([spec('cas', { fingerprint: '2' })])
  supervisor.apply([spec('cas'), spec('worker-1', { fingerprint: '3' })])
  const after = await until(
    (status) =>
      running(2)(status) &&
      status.servers.every((each) => each.spec.name !== 'worker-1' || each.spec.fingerprint === '3'),
  )
  expect(after.desired.map(({ fingerprint }) => fingerprint)).toEqual(['1', '3'])
})

test('V1: a server that gives no sign of life for a minute is killed and started again; a shorter silence is let pass', async () => {
  const clock = manualClock()
  const { supervisor, until } = harness(clock)
  supervisor.apply([spec('cas')])
  const before = await until(running(1))
  const pid = pidOf(before, 'cas') ?? 0
  process.kill(pid, 'SIGSTOP')
  clock.advance(50_000)
  expect(isRunning(pid)).toBe(true)
  clock.advance(15_000)
  const killed = await until(({ servers }) => servers[0]?.state === 'waiting')
  expect(killed.servers[0]).toMatchObject({ restarts: 1, lastEnd: 'no sign of life for 60 s, killed' })
  clock.advance(1_000)
  expect(pidOf(await until(running(1)), 'cas')).not.toBe(pid)
})

test('what does not end in its time is killed', async () => {
  const clock = manualClock()
  const { supervisor, until } = harness(clock)
  supervisor.apply([spec('worker-1', { behaviour: 'stubborn', drainMs: 5_000 })])
  const before = await until((status) => running(1)(status))
  supervisor.apply([])
  await until(({ servers }) => servers[0]?.state === 'draining')
  expect(isRunning(pidOf(before, 'worker-1') ?? 0)).toBe(true)
  clock.advance(5_000)
  await until(({ servers }) => servers.length === 0)
  expect(isRunning(pidOf(before, 'worker-1') ?? 0)).toBe(false)
})

test('stop ends workers before the scheduler, and that before the cache', async () => {
  const { supervisor, until } = harness()
  const order: string[] = []
  supervisor.apply([spec('cas'), spec('scheduler'), spec('worker-1'), spec('worker-2')])
  await until(running(4))
  const watch = until((status) => {
    for (const { spec: each, state } of status.servers)
      if (state === 'stopped' && !order.includes(each.role)) order.push(each.role)
    return order.length === 3
  })
  await supervisor.stop(10_000)
  await watch
  expect(order).toEqual(['worker', 'scheduler', 'cas'])
})

test('stop kills at the end of its grace, even what was given longer', async () => {
  const clock = manualClock()
  const { supervisor, until } = harness(clock)
  supervisor.apply([spec('worker-1', { behaviour: 'stubborn', drainMs: 60_000 })])
  await until((status) => running(1)(status))
  supervisor.apply([])
  await until(({ servers }) => servers[0]?.state === 'draining')
  const stopped = supervisor.stop(1_000)
  clock.advance(1_000)
  await stopped
  expect(supervisor.status().servers.every(({ pid }) => pid === null)).toBe(true)
})
