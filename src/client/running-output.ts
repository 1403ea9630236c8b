import type { Clock } from '../core/clock.ts'
import type { RunningOutput } from '../core/scheduler-view.ts'
import type { Log } from '../telemetry/log.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'
import { followRuns } from './run-output.ts'
import { createRunText, type RunText } from './run-text.ts'

/** The latest output of running actions, for callers that poll. */
export interface RunningOutputs {
  /**
   * The last lines of an action. It is followed from the first request on, for as long as requests keep coming.
   * @param hash of the action's digest
   */
  of(hash: string): RunningOutput
  /**
   * What is still held of an action that need not be followed any more; undefined if there is nothing. Asking does not
   * extend its life.
   */
  held(hash: string): RunningOutput | undefined
  close(): void
}

/** Actions followed at once. */
const followedMax = 8
/**
 * An action is no longer followed after this long without a request, and a broken call is retried after as long, in
 * milliseconds.
 */
const idleMs = 10_000

interface Followed {
  readonly hash: string
  readonly text: RunText
  ending: AbortController
  askedAt: number
  /** When its call ended; undefined while there is one. */
  brokenAt: number | undefined
  /** Why the last call ended, until the next one has delivered something. */
  whyBroken: string | undefined
}

/** Follows running actions on one of our schedulers. */
export function createRunningOutputs(scheduler: Channel, clock: Clock, log: Log): RunningOutputs {
  const followed = new Map<string, Followed>()
  let stopLooking: (() => void) | undefined

  function begin(hash: string): Followed {
    const begun: Followed = {
      ...{ hash, text: createRunText(hash), ending: new AbortController(), askedAt: clock.now() },
      ...{ brokenAt: undefined, whyBroken: undefined },
    }
    followed.set(hash, begun)
    stopLooking ??= clock.after(idleMs, look)
    void follow(begun)
    return begun
  }

  /** Makes a call, and never rejects: a failure is noted in the state. */
  async function follow(state: Followed): Promise<void> {
    const { hash, text } = state
    const { signal } = state.ending
    text.restart()
    try {
      for await (const event of followRuns(scheduler, { actionHash: hash }, signal)) {
        state.whyBroken = undefined
        text.hear(event)
      }
      state.whyBroken = brokenText('it ended the call')
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof RpcError))
        log.warn('what the scheduler reported of a running action could not be read', { error })
      state.whyBroken = whyBroken(error)
    }
    state.brokenAt = clock.now()
  }

  function followAgain(state: Followed): void {
    state.ending = new AbortController()
    state.brokenAt = undefined
    void follow(state)
  }

  function look(): void {
    stopLooking = undefined
    let next = Number.POSITIVE_INFINITY
    for (const { hash, askedAt, ending } of followed.values()) {
      const leftMs = askedAt + idleMs - clock.now()
      if (leftMs > 0) {
        next = Math.min(next, leftMs)
        continue
      }
      followed.delete(hash)
      ending.abort()
    }
    if (followed.size > 0) stopLooking = clock.after(next, look)
  }

  return {
    of(hash) {
      const known = followed.get(hash) ?? (followed.size < followedMax ? begin(hash) : undefined)
      if (!known) return notFollowed
      known.askedAt = clock.now()
      if (known.brokenAt !== undefined && clock.now() - known.brokenAt >= idleMs) followAgain(known)
      return outputOf(known)
    },
    held(hash) {
      const known = followed.get(hash)
      return known && outputOf(known)
    },
    close() {
      stopLooking?.()
      for (const { ending } of followed.values()) ending.abort()
      followed.clear()
    },
  }
}

function outputOf({ text, whyBroken }: Followed): RunningOutput {
  const output = text.output()
  return { ...output, whyUnheard: whyBroken ?? output.whyUnheard }
}

const nothing = { bytes: new Uint8Array(), before: 0 }
const notFollowed: RunningOutput = {
  ...{ stdout: nothing, stderr: nothing, isComplete: false },
  whyUnheard: `The pages of ${followedMax} other actions are open, and no more can be followed at once. Close one of them; this page tries again by itself.`,
}

function whyBroken(error: unknown): string {
  if (!(error instanceof RpcError)) return brokenText('what it reported could not be read')
  if (error.code === Code.UNIMPLEMENTED)
    return 'The scheduler cannot tell what actions print: it is of an earlier release, or not one of native.'
  return brokenText(error.message)
}

function brokenText(why: string): string {
  return `The scheduler does not tell it: ${why}. It is asked again every ${idleMs / 1_000} seconds.`
}
