import { connect } from 'node:net'
import {
  type SupervisorRequest,
  type SupervisorStatus,
  supervisorAnswer,
  supervisorLineLengthMax,
  supervisorStatus,
  supervisorVersion,
} from '../../config/supervisor.ts'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'
import { jsonLine, readJsonLines } from '../../wire/jsonlines.ts'
import { readState } from '../shared/state-file.ts'
import type { ClusterPaths } from './paths.ts'

/** A supervisor that takes longer to answer, beyond what it was asked to wait, hangs. */
const answerMsMax = 5_000

/** Where a supervisor listens, and where it keeps what it last said. */
export type SupervisorPaths = Pick<ClusterPaths, 'socket' | 'supervisorRecord'>

type Ask = SupervisorRequest extends infer Each ? (Each extends unknown ? Omit<Each, 'version'> : never) : never

/**
 * Asks the supervisor of a cluster, over a connection of its own.
 * @throws Failure 'unavailable' when nobody listens, it hangs, or it refuses
 */
export async function askSupervisor(paths: SupervisorPaths, ask: Ask, signal?: AbortSignal): Promise<SupervisorStatus> {
  const { socket } = paths
  const waitMs = answerMsMax + ('waitMs' in ask ? (ask.waitMs ?? 0) : 0)
  const connection = connect(socket)
  const abort = () => connection.destroy(new Failure('cancelled', 'cancelled'))
  let hangs = false
  connection.setTimeout(waitMs, () => {
    hangs = true
    connection.destroy()
  })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    signal?.throwIfAborted()
    connection.write(jsonLine({ version: supervisorVersion, ...ask }))
    for await (const line of readJsonLines(connection, supervisorLineLengthMax)) return checked(line, socket)
    throw new Failure('unavailable', 'the supervisor hung up', { where: socket })
  } catch (error) {
    if (hangs) throw await hangingFailure(paths)
    if (error instanceof Failure) throw error
    throw new Failure('unavailable', `cannot reach the supervisor: ${messageOf(error)}`, {
      where: socket,
      cause: error,
    })
  } finally {
    signal?.removeEventListener('abort', abort)
    connection.destroy()
  }
}

/** What to do about a supervisor that hangs; its process is left to the user, because it may only be slow. */
export function hangingCure(pid: number | undefined): string {
  const end = pid === undefined ? 'end its process with `kill -9`' : `run \`kill -9 ${pid}\``
  return `${end}, then \`native up\`: it starts the servers again, and keeps the cache and the ports`
}

async function hangingFailure({ socket, supervisorRecord }: SupervisorPaths): Promise<Failure> {
  const pid = (await readState(supervisorRecord, supervisorStatus).catch(() => undefined))?.pid
  const process = pid === undefined ? '' : ` (process ${pid})`
  return new Failure('unavailable', `the supervisor${process} does not answer`, {
    where: socket,
    next: [`If this continues, ${hangingCure(pid)}.`],
  })
}

/** The status of the supervisor, or undefined when none listens. */
export async function supervisorStatusAt(
  paths: SupervisorPaths,
  signal?: AbortSignal,
): Promise<SupervisorStatus | undefined> {
  try {
    return await askSupervisor(paths, { op: 'status' }, signal)
  } catch (error) {
    if (error instanceof Failure && absent.has(errnoOf(error.cause) ?? '')) return undefined
    throw error
  }
}

const absent: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR'])

function checked(line: unknown, socket: string): SupervisorStatus {
  const answer = supervisorAnswer.safeParse(line)
  if (!answer.success)
    throw new Failure('unavailable', 'the supervisor is from another release', {
      where: socket,
      next: ['Run `native down` with the release that started it, then `native up`.'],
      cause: answer.error,
    })
  if (!answer.data.ok)
    throw new Failure('unavailable', `the supervisor refuses: ${answer.data.message}`, { where: socket })
  return answer.data.status
}
