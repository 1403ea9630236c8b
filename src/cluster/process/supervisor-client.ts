import { connect } from 'node:net'
import {
  type SupervisorRequest,
  type SupervisorStatus,
  supervisorAnswer,
  supervisorLineLengthMax,
  supervisorVersion,
} from '../../config/supervisor.ts'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'
import { jsonLine, readJsonLines } from '../../wire/jsonlines.ts'

/** A supervisor that does not answer within this, beyond what it was asked to wait, hangs. */
const answerMsMax = 5_000

type Ask = SupervisorRequest extends infer Each ? (Each extends unknown ? Omit<Each, 'version'> : never) : never

/**
 * Asks the supervisor at this socket, over a connection of its own.
 * @throws Failure 'unavailable' when nobody listens, it hangs, or it refuses
 */
export async function askSupervisor(socket: string, ask: Ask, signal?: AbortSignal): Promise<SupervisorStatus> {
  const waitMs = answerMsMax + ('waitMs' in ask ? (ask.waitMs ?? 0) : 0)
  const connection = connect(socket)
  const abort = () => connection.destroy(new Failure('cancelled', 'cancelled'))
  connection.setTimeout(waitMs, () =>
    connection.destroy(new Failure('unavailable', 'the supervisor does not answer', { where: socket })),
  )
  signal?.addEventListener('abort', abort, { once: true })
  try {
    signal?.throwIfAborted()
    connection.write(jsonLine({ version: supervisorVersion, ...ask }))
    for await (const line of readJsonLines(connection, supervisorLineLengthMax)) return checked(line, socket)
    throw new Failure('unavailable', 'the supervisor hung up', { where: socket })
  } catch (error) {
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

/** The status of the supervisor, or undefined when none listens at this socket. */
export async function supervisorStatusAt(socket: string): Promise<SupervisorStatus | undefined> {
  try {
    return await askSupervisor(socket, { op: 'status' })
  } catch (error) {
    if (error instanceof Failure && absent.has(errnoOf(error.cause) ?? '')) return undefined
    throw error
  }
}

const absent: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR'])

function checked(line: unknown, socket: string): SupervisorStatus {
  const answer = supervisorAnswer.safeParse(line)
  if (!answer.success)
    throw new Failure('unavailable', 'the supervisor is of another release', {
      where: socket,
      next: ['Run `native down` with the release that started it, then `native up`.'],
      cause: answer.error,
    })
  if (!answer.data.ok)
    throw new Failure('unavailable', `the supervisor refuses: ${answer.data.message}`, { where: socket })
  return answer.data.status
}
