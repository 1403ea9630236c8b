import type { ServerProcess } from '../../config/supervisor.ts'
import { parseHostPort } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { askWeb } from '../../telemetry/ask-web.ts'
import { readSamples, type Samples } from '../../telemetry/samples.ts'
import type { ServerStatus } from '../driver.ts'
import { type Authorize, assertAnswers } from '../shared/readiness.ts'
import { versionIn, versionNotes } from '../shared/usage.ts'
import { type Door, targetAt } from './door.ts'

/** What a server has to answer in: one that hangs must not keep the others from being shown. */
export const probeMsMax = 2_000
/** At most so many lines, which a server has made printable. */
const notesMax = 20

/** A server, and its metrics, where it tells them. */
export interface AskedServer {
  readonly status: ServerStatus
  readonly samples: Samples | undefined
}

/**
 * Asks a server how it is, how it names itself and what it counts.
 * @param version of the program that asks
 * @param door by which cache and scheduler are called
 * @param authorize how this user is known to a server that asks for that
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

/** What stands below the first line of /healthz. */
export function notesIn(text: string): string[] {
  const lines = text.split('\n').slice(1, notesMax + 1)
  return lines.filter((line) => line !== '').map((line) => printable(line, 1_000))
}

/** A server for clients answers GetCapabilities; undefined for a worker or a console, which have no such door. */
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
