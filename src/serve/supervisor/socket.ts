import { chmod } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { prettifyError } from 'zod'
import { type SupervisorAnswer, supervisorLineLengthMax, supervisorRequest } from '../../config/supervisor.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { jsonLine, readJsonLines } from '../../wire/jsonlines.ts'
import type { Supervisor } from './supervisor.ts'

const connectionsMax = 64
/** Waiting for a status may take a minute; a client silent for longer is gone. */
const idleMs = 120_000

export interface SupervisorSocket {
  close(): Promise<void>
}

/**
 * Listens on a Unix socket that only its user may open: JSON lines, one response per request, in order.
 * @param stop called once for a `stop` request, after the response was sent
 * @throws Failure 'exists' when the path is taken
 */
export async function listenOn(
  path: string,
  supervisor: Supervisor,
  stop: (graceMs: number) => void,
): Promise<SupervisorSocket> {
  const connections = new Set<Socket>()
  const server = createServer((connection) => {
    connections.add(connection)
    connection.once('close', () => connections.delete(connection))
    connection.on('error', () => connection.destroy())
    connection.setTimeout(idleMs, () => connection.destroy())
    converse(connection, supervisor, stop).catch(() => connection.destroy())
  })
  server.maxConnections = connectionsMax
  await listening(server, path)
  await chmod(path, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const connection of connections) connection.destroySoon()
      }),
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new Failure('exists', 'another supervisor has this socket', { where: path, cause })
          : new Failure('unavailable', `cannot listen: ${cause.message}`, { where: path, cause }),
      ),
    )
    server.listen(path, resolve)
  })
}

async function converse(connection: Socket, supervisor: Supervisor, stop: (graceMs: number) => void): Promise<void> {
  try {
    for await (const line of readJsonLines(connection, supervisorLineLengthMax)) {
      const graceMs = await answer(line, supervisor, (reply) => send(connection, reply))
      if (graceMs !== undefined) stop(graceMs)
    }
  } catch (error) {
    if (error instanceof Failure) await send(connection, { ok: false, message: error.message })
    connection.destroySoon()
  }
}

/** Answers one request; returns the grace period of a stop. */
async function answer(
  line: unknown,
  supervisor: Supervisor,
  reply: (value: SupervisorAnswer) => Promise<void>,
): Promise<number | undefined> {
  const checked = supervisorRequest.safeParse(line)
  if (!checked.success) {
    await reply({ ok: false, message: prettifyError(checked.error) })
    return undefined
  }
  const request = checked.data
  if (request.op === 'apply') supervisor.apply(request.servers)
  const status = request.op === 'status' ? await supervisor.next(request.after, request.waitMs) : supervisor.status()
  await reply({ ok: true, status })
  return request.op === 'stop' ? request.graceMs : undefined
}

function send(connection: Socket, value: SupervisorAnswer): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.write(jsonLine(value), (error) => (error ? reject(new Error(messageOf(error))) : resolve()))
  })
}
