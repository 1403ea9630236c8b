import { setTimeout } from 'node:timers/promises'
import { followRuns } from '../../client/run-output.ts'
import type { Addresses } from '../../cluster/addresses.ts'
import type { BuildHistory } from '../../core/build-history.ts'
import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { findBuild } from '../../explain/find.ts'
import { type Channel, RpcError } from '../../wire/rpc.ts'
import { toFailure } from '../../wire/status.ts'
import { hasHistory, withHistory } from '../console.ts'
import { openReachedDirectly } from '../reached.ts'
import { besideLines } from './beside.ts'
import { createLines, type OutputLine } from './lines.ts'
import { createEndings, type Endings, isLikelyOver } from './over.ts'

/** The arguments of `native tail`. */
export interface TailRequest {
  /** An invocation's id, or its beginning; everything if absent. */
  readonly build?: string
  readonly signal: AbortSignal
  readonly show: (line: OutputLine) => void
  /** Reports what is worth knowing besides the output. */
  readonly note: (text: string) => void
}

const lookMs = 250

/**
 * Shows the output of running actions until their builds are over or the signal aborts.
 * @throws Failure 'not-found', or 'invalid' if several builds begin like this; the scheduler's errors
 */
export async function tail(addresses: Addresses, request: TailRequest): Promise<void> {
  const scheduler = await openReachedDirectly(addresses.scheduler)
  const follow = async (history: BuildHistory | undefined) => {
    try {
      await followBuilds(scheduler, history, request)
    } catch (error) {
      throw error instanceof RpcError ? toFailure(error, addresses.scheduler.url) : error
    }
  }
  try {
    await (hasHistory(addresses) ? withHistory(addresses, follow) : follow(undefined))
  } finally {
    scheduler.close()
  }
}

async function followBuilds(
  scheduler: Channel,
  history: BuildHistory | undefined,
  request: TailRequest,
): Promise<void> {
  const { build: prefix = '', signal, show } = request
  const endings = createEndings(history)
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  const linesOf = createLines()
  const tellBeside = besideLines(request.note)
  let isFirst = true
  const looking = look(endings, over, stop)
  try {
    for await (const event of followRuns(scheduler, { invocationPrefix: prefix }, stop)) {
      tellBeside(event)
      endings.note(event, Date.now())
      if (isFirst && event.kind === 'flight') {
        if (!(await begins(event.invocations, history, request, endings))) return
        isFirst = false
      }
      for (const line of linesOf(event)) show(line)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    over.abort()
    await looking
  }
}

/** Ends it once the builds are over. */
async function look(endings: Endings, over: AbortController, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    if (await endings.areOver(Date.now())) over.abort()
    else await setTimeout(lookMs, undefined, { signal: stop }).catch(() => undefined)
  }
}

/**
 * Is there anything to follow?
 * @throws Failure for a build that is unknown or ambiguous
 */
async function begins(
  invocations: readonly string[],
  history: BuildHistory | undefined,
  { build: prefix, note }: TailRequest,
  endings: Endings,
): Promise<boolean> {
  if (prefix === undefined) {
    if (invocations.length === 0) note('no action is running; waiting for the next one (Ctrl-C ends)')
    return true
  }
  if (invocations.length > 1 && !invocations.includes(prefix))
    throw new Failure('invalid', `several builds begin with "${prefix}": ${invocations.map(shown).join(', ')}`, {
      next: ['Give more of the ID.'],
    })
  if (invocations.length > 0) return true
  if (!history)
    throw new Failure('not-found', `no action of a build "${prefix}" is waiting or running`, {
      next: ['Leave the build out to follow whatever runs.'],
    })
  const build = await findBuild(history, prefix)
  if (isLikelyOver(build, Date.now())) {
    note(`build ${shown(build.id)} has ended; \`native explain ${build.id}\` says what it did`)
    return false
  }
  endings.expect(build.id, build.lastSeen)
  return true
}

function shown(id: string): string {
  return printable(id)
}
