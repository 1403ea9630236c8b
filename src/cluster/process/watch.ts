import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { logFileName, type ServerProcess, type ServerSpec, type SupervisorStatus } from '../../config/supervisor.ts'
import { parseHostPort } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { isFree } from '../shared/ports.ts'
import type { ProcessContext } from './context.ts'
import { serverNoun } from './server-names.ts'
import { askSupervisor } from './supervisor-client.ts'
import { lastLines } from './tail.ts'

/** A server that has ended this often since it was requested will not stay up. */
const crashesMax = 3
const waitMs = 1_000
const linesShown = 20
/** The one state in which a server has bound its ports and serves. */
const serving: ServerProcess['state'] = 'running'

/**
 * Waits until exactly these servers are running, and each has reported that it serves.
 * @param msMax the drains of removed servers, plus a margin
 * @throws Failure 'program' or 'exists' with a server's last lines when it does not stay up, 'deadline'
 */
export async function untilSettled(
  context: ProcessContext,
  specs: readonly ServerSpec[],
  msMax: number,
  signal: AbortSignal,
): Promise<SupervisorStatus> {
  const { paths, clock } = context
  const deadline = clock.now() + msMax
  let after = -1
  for (;;) {
    const status = await askSupervisor(paths, { op: 'status', after, waitMs }, signal)
    await assertStaysUp(context, specs, status)
    if (isSettled(specs, status)) return status
    if (clock.now() > deadline)
      throw new Failure(
        'deadline',
        `some servers did not become ready or did not drain: ${notSettled(specs, status).join(', ')}`,
        {
          next: ['See what they are doing with `native logs`.'],
        },
      )
    after = status.revision
  }
}

/**
 * Runs some work while watching that the servers stay up; the work is aborted when one does not.
 * @throws Failure 'program' or 'exists' with the server's last lines; what the work throws
 */
export async function whileUp<T>(
  context: ProcessContext,
  specs: readonly ServerSpec[],
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  const watch = watchForCrashes(context, specs, either)
  // Whichever settles first counts; the other one is ended by the signal.
  const done = work(either)
  try {
    return await Promise.race([done, watch])
  } finally {
    ended.abort()
    await Promise.allSettled([done, watch])
  }
}

async function watchForCrashes(
  context: ProcessContext,
  specs: readonly ServerSpec[],
  signal: AbortSignal,
): Promise<never> {
  let after = -1
  for (;;) {
    const status = await askSupervisor(context.paths, { op: 'status', after, waitMs }, signal)
    await assertStaysUp(context, specs, status)
    after = status.revision
  }
}

/**
 * @throws Failure 'exists' when a server ended and another program has one of its ports, 'program' when one ended too
 *   often
 */
async function assertStaysUp(
  { paths }: ProcessContext,
  specs: readonly ServerSpec[],
  status: SupervisorStatus,
): Promise<void> {
  for (const { spec, state, restarts, lastEnd } of status.servers) {
    if (state !== 'waiting' || !isWanted(specs, spec)) continue
    const taken = await takenAddress(spec)
    if (!taken && restarts < crashesMax) continue
    const log = join(paths.logs, logFileName(spec.name))
    const facts = { where: log, output: (await lastLines(log, linesShown)).join('\n') }
    if (!taken)
      throw new Failure('program', `${serverNoun(spec.name)} does not keep running (${lastEnd ?? 'it ended'})`, {
        ...facts,
        next: ['The last lines of its log are shown above.'],
      })
    throw new Failure('exists', `another program listens on ${taken}, which is ${serverNoun(spec.name)}'s`, {
      ...facts,
      next: [`End what listens on ${taken}, or run \`native down\` and then \`native deploy\` for other ports.`],
    })
  }
}

/** An address of a server that is down, when something listens there nevertheless. */
async function takenAddress({ address, metrics }: ServerSpec): Promise<string | undefined> {
  for (const each of [address, metrics]) if (each !== null && !(await isFree(parseHostPort(each).port))) return each
  return undefined
}

function isSettled(specs: readonly ServerSpec[], status: SupervisorStatus): boolean {
  return notSettled(specs, status).length === 0
}

/** Names of servers that are not as they should be. */
function notSettled(specs: readonly ServerSpec[], { servers }: SupervisorStatus): string[] {
  const missing = specs.filter(
    (spec) => !servers.some((each) => each.state === serving && isDeepStrictEqual(each.spec, spec)),
  )
  const extra = servers.filter(({ spec, state }) => state !== 'stopped' && !isWanted(specs, spec))
  return [...new Set([...missing.map(({ name }) => name), ...extra.map(({ spec }) => spec.name)])]
}

function isWanted(specs: readonly ServerSpec[], spec: ServerSpec): boolean {
  return specs.some((each) => isDeepStrictEqual(each, spec))
}
