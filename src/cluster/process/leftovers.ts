import { supervisorStatus } from '../../config/supervisor.ts'
import { Failure } from '../../core/failure.ts'
import { commandLineOf, identityOf, isAlive, type ProcessIdentity, signalProcess } from '../../host/process-identity.ts'
import { wait } from '../../host/wait.ts'
import { readState } from '../shared/state-file.ts'
import type { ProcessContext } from './context.ts'

const pollMs = 20
/** A kill takes the kernel no longer, unless the machine is in trouble. */
const deathMsMax = 10_000

/**
 * This cluster's processes that are still running, by the supervisor's record. A process id may have been reused since:
 * only a process whose command line names a file in this cluster's own state folder is ours.
 */
export async function recordedProcesses({ paths }: ProcessContext): Promise<ProcessIdentity[]> {
  const record = await readState(paths.supervisorRecord, supervisorStatus).catch((error: unknown) => {
    if (error instanceof Failure && error.kind === 'corrupt') return undefined
    throw error
  })
  if (!record) return []
  const candidates = [
    { pid: record.pid, words: ['supervisor', '--state', paths.supervisorSettings] },
    ...record.servers.flatMap(({ pid, spec }) => (pid === null ? [] : [{ pid, words: spec.args }])),
  ]
  const ours = await Promise.all(
    candidates.map(async ({ pid, words }) => {
      const identity = await identityOf(pid)
      const line = (await commandLineOf(pid)) ?? ''
      return identity && line.includes(words.join(' ')) && line.includes(paths.state) ? identity : undefined
    }),
  )
  return ours.filter((each) => each !== undefined)
}

/** Kills what still runs of a supervisor that is gone or does not answer; returns how many. */
export async function killLeftovers(context: ProcessContext, signal?: AbortSignal): Promise<number> {
  const processes = await recordedProcesses(context)
  for (const { pid } of processes) signalProcess(pid, 'SIGKILL')
  await untilGone(processes, deathMsMax, context, signal)
  return processes.length
}

/**
 * Waits until processes have ended.
 * @throws Failure 'deadline' naming those that still run
 */
export async function untilGone(
  processes: readonly ProcessIdentity[],
  msMax: number,
  { clock }: ProcessContext,
  signal?: AbortSignal,
): Promise<void> {
  const deadline = clock.now() + msMax
  for (;;) {
    const alive = await Promise.all(processes.map(isAlive))
    const left = processes.filter((_, at) => alive[at])
    if (left.length === 0) return
    if (clock.now() > deadline)
      throw new Failure('deadline', `some processes do not exit: ${left.map(({ pid }) => pid).join(', ')}`, {
        next: ['End them with `kill -9` and run `native down` again.'],
      })
    await wait(pollMs, clock, signal)
  }
}
