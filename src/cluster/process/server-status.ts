import type { ServerProcess } from '../../config/supervisor.ts'
import { parseHostPort } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { askWeb } from '../../telemetry/ask-web.ts'
import { readSamples, type Samples } from '../../telemetry/samples.ts'
import { type Authorize, assertAnswers } from '../shared/readiness.ts'
import { versionIn, versionNotes } from '../shared/usage.ts'
import type { ServerStatus } from '../status.ts'
import { type Door, targetAt } from './door.ts'

/** How long a server may take to answer: one that hangs must not keep the others from being shown. */
export const probeMsMax = 2_000
/** The most lines of notes; the server has made them printable. */
const notesMax = 20

/** A server, and its metrics if it reports them. */
export interface AskedServer {
  readonly status: ServerStatus
  readonly samples: Samples | undefined
}

/**
 * Asks a server for its health, name and metrics.
 * @param version of the program that asks
 * @param door through which cache and scheduler are called
 * @param authorize how this user authenticates to a server that requires it
 */
export async function askServer(
  server: ServerProcess,
  version: string,
  door: Door,
  authorize: Authorize,
): Promise<AskedServer> {
  const { spec, pid, restarts, since } = server
  const web = server.state === 'running' ? spec.metrics : null
  const ask = async (path: string) => (web === null ? undefined : await askWeb(web, path, probeMsMax))
  const [health, metrics, answers] = await Promise.all([
    ask('/healthz'),
    ask('/metrics'),
    answersClients(server, door, authorize),
  ])
  const samples = metrics?.status === 200 ? readSamples(metrics.text) : undefined
  const said = versionIn(samples)
  return {
    samples,
    status: {
      name: spec.name,
      role: spec.role,
      state: stateOf(server, answers, health?.status),
      address: spec.address,
      metrics: spec.metrics,
      id: pid === null ? null : String(pid),
      restarts,
      since,
      version: said,
      notes: [...notesIn(health?.text ?? ''), ...versionNotes(said, version)],
    },
  }
}

/** The lines below the first one of /healthz. */
export function notesIn(text: string): string[] {
  const lines = text.split('\n').slice(1, notesMax + 1)
  return lines.filter((line) => line !== '').map((line) => printable(line, 1_000))
}

/** A server for clients answers GetCapabilities; undefined for a worker or a console, which serve no clients. */
async function answersClients(
  { spec, state }: ServerProcess,
  door: Door,
  authorize: Authorize,
): Promise<boolean | undefined> {
  if (spec.address === null || spec.role === 'console' || state !== 'running') return undefined
  try {
    const target = targetAt(door, parseHostPort(spec.address).port)
    await assertAnswers(target, AbortSignal.timeout(probeMsMax), authorize)
    return true
  } catch (error) {
    if (error instanceof Failure || error instanceof DOMException) return false
    throw error
  }
}

/** @param health the status of /healthz; undefined where it did not answer */
function stateOf(
  { spec, state }: ServerProcess,
  answers: boolean | undefined,
  health: number | undefined,
): ServerStatus['state'] {
  if (state === 'waiting') return 'crashed'
  if (state !== 'running') return state
  if (answers ?? (health === 200 || spec.metrics === null)) return 'ready'
  return health === undefined ? 'unresponsive' : 'starting'
}
