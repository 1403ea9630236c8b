import { type ChildProcess, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { type SupervisorSettings, type SupervisorStatus, supervisorVersion } from '../../config/supervisor.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { remove, writeWhole } from '../../host/files.ts'
import { wait } from '../../host/wait.ts'
import type { ProcessContext } from './context.ts'
import { supervisorStatusAt } from './supervisor-client.ts'
import { lastLines } from './tail.ts'

const pollMs = 20
const startMsMax = 30_000
const logBytesMax = 10 * 1024 * 1024

/**
 * Starts the supervisor in its own session, so that it outlives this process and its terminal, and waits until it
 * answers. The folders must exist and no other supervisor may be running.
 * @throws Failure 'program' with its output when it exits instead
 */
export async function startSupervisor(context: ProcessContext, signal: AbortSignal): Promise<SupervisorStatus> {
  const { paths, program, user } = context
  const settings: SupervisorSettings = {
    version: supervisorVersion,
    socket: paths.socket,
    logs: paths.logs,
    record: paths.supervisorRecord,
    program: [...program],
    log: { bytesMax: logBytesMax },
  }
  await writeWhole(paths.supervisorSettings, `${JSON.stringify(settings, null, 2)}\n`)
  // Left by a supervisor that was killed; nobody listens on it any more.
  await remove(paths.socket)
  const log = await open(paths.supervisorLog, 'w', 0o600)
  try {
    const [file = '', ...args] = program
    const child = spawn(file, [...args, 'serve', 'supervisor', '--state', paths.supervisorSettings], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      cwd: '/',
      env: user.env,
    })
    return await untilAnswering(child, context, signal)
  } finally {
    await log.close()
  }
}

async function untilAnswering(
  child: ChildProcess,
  { paths, clock }: ProcessContext,
  signal: AbortSignal,
): Promise<SupervisorStatus> {
  let ended: string | undefined
  child.once('error', (error) => {
    ended = messageOf(error)
  })
  child.once('exit', (code, name) => {
    ended = name ? `signal ${name}` : `exit code ${code}`
  })
  const deadline = clock.now() + startMsMax
  try {
    for (;;) {
      const status = await supervisorStatusAt(paths)
      if (status) return status
      if (ended !== undefined || clock.now() > deadline)
        throw new Failure('program', `the supervisor did not start (${ended ?? 'it does not answer'})`, {
          where: paths.supervisorLog,
          output: (await lastLines(paths.supervisorLog, 20)).join('\n'),
        })
      await wait(pollMs, clock, signal)
    }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    child.removeAllListeners()
    child.on('error', () => undefined)
    child.unref()
  }
}
