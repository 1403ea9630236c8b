import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import {
  type ServerSpec,
  type SupervisorSettings,
  type SupervisorStatus,
  supervisorSettings,
  supervisorStatus,
} from '../../config/supervisor.ts'
import type { Clock } from '../../core/clock.ts'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import { launch, parentFd } from './launch.ts'
import { rotatingLog } from './log-file.ts'
import { listenOn } from './socket.ts'
import { createSupervisor } from './supervisor.ts'

/** How long the servers get when a signal asks the supervisor to end. */
const signalGraceMs = 10_000

export interface RunOptions {
  readonly settings: SupervisorSettings
  readonly pid: number
  readonly clock: Clock
  readonly log: Log
}

export interface RunningSupervisor {
  /** Ends the servers, then the supervisor; a second call ends them at once. */
  stop(): void
  /** Settles when all is gone. */
  readonly done: Promise<void>
}

/**
 * Listens on the socket and starts the servers that should be running according to the record, for instance after a
 * reboot.
 * @throws Failure 'exists' when another supervisor has the socket
 */
export async function runSupervisor({ settings, pid, clock, log }: RunOptions): Promise<RunningSupervisor> {
  const supervisor = createSupervisor({
    pid,
    clock,
    log,
    record: (status) => writeRecord(settings.record, status, log),
    launch: (spec) => launch(argvOf(settings, spec), logOf(spec.name)),
  })
  const logs = new Map<string, ReturnType<typeof rotatingLog>>()
  const { promise: done, resolve, reject } = Promise.withResolvers<void>()
  let stopping = false

  function logOf(server: string) {
    const known = logs.get(server)
    if (known) return known
    const file = rotatingLog(settings.logs, server, settings.log.bytesMax, (error) =>
      log.error('cannot write a log', { server, error: messageOf(error) }),
    )
    logs.set(server, file)
    return file
  }

  function stop(graceMs: number): void {
    const again = stopping
    stopping = true
    const ended = supervisor.stop(graceMs)
    if (!again) ended.then(() => socket.close()).then(resolve, reject)
    else ended.catch((error: unknown) => log.error('cannot stop', { error: messageOf(error) }))
  }

  const socket = await listenOn(settings.socket, supervisor, stop)
  supervisor.apply(readDesired(settings.record))
  log.info('supervising', { socket: settings.socket })
  return { stop: () => stop(stopping ? 0 : signalGraceMs), done }
}

/**
 * Reads and checks a settings file.
 * @throws Failure 'invalid'
 */
export function readSettings(file: string): SupervisorSettings {
  try {
    return supervisorSettings.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new Failure('invalid', `this is not a supervisor's settings file: ${messageOf(cause)}`, {
      where: file,
      cause,
    })
  }
}

function argvOf(settings: SupervisorSettings, spec: ServerSpec): string[] {
  return [...settings.program, ...spec.args, '--parent-fd', String(parentFd)]
}

/** Written to a temporary file and renamed, so that no reader sees half of it. */
function writeRecord(file: string, status: SupervisorStatus, log: Log): void {
  try {
    writeFileSync(`${file}.new`, JSON.stringify(status), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  } catch (error) {
    log.error('cannot write the record', { file, error: messageOf(error) })
  }
}

/** What ran under the last supervisor; nothing if there was none, or its record is from another release. */
function readDesired(file: string): readonly ServerSpec[] {
  try {
    const checked = supervisorStatus.safeParse(JSON.parse(readFileSync(file, 'utf8')))
    return checked.success ? checked.data.desired : []
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
