import { isDeepStrictEqual } from 'node:util'
import type { ServerProcess, ServerSpec } from '../../config/supervisor.ts'
import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { nextPauseMs } from './backoff.ts'
import type { Launched } from './launch.ts'
import { startWatched, type WatchedProcess } from './watched-process.ts'

export interface SlotOptions {
  readonly clock: Clock
  readonly log: Log
  readonly launch: (spec: ServerSpec) => Launched
  /** Called after each change of `view`, before anything else happens. */
  readonly changed: () => void
}

/** The slot of one server: at most one process at a time, whatever is requested. */
export interface Slot {
  /** What should run here; null for nothing. A process with a different specification is drained first. */
  want(spec: ServerSpec | null): void
  /** Ends the process, by SIGKILL after graceMs, and settles when it is gone. */
  end(graceMs: number): Promise<void>
  view(): ServerProcess
  /** True when nothing runs and nothing should. */
  readonly empty: boolean
}

/** A slot that immediately starts its first server. */
export function createSlot(first: ServerSpec, { clock, log, launch, changed }: SlotOptions): Slot {
  let wanted: ServerSpec | null = null
  let shown = first
  let state: ServerProcess['state'] = 'stopped'
  let running: WatchedProcess | null = null
  let restarts = 0
  let lastEnd: string | null = null
  let pauseMs = 0
  let killAt = Number.POSITIVE_INFINITY
  /** The end of a pause or of a grace period. */
  let cancelTimer: () => void = () => undefined

  function timer(ms: number, callback: () => void): void {
    cancelTimer()
    cancelTimer = clock.after(ms, callback)
  }

  function start(spec: ServerSpec): void {
    const draining = () => state === 'draining'
    running = startWatched(spec, { clock, log, launch, draining, onReady: ready, onEnded: ended })
    shown = spec
    state = 'starting'
    changed()
  }

  function ready(): void {
    if (state !== 'starting') return
    state = 'running'
    changed()
  }

  function ended(how: string): void {
    const expected = state === 'draining'
    const ranMs = clock.now() - (running?.since ?? 0)
    running = null
    lastEnd = how
    killAt = Number.POSITIVE_INFINITY
    cancelTimer()
    if (!wanted) rest()
    else if (expected) start(wanted)
    else pause(how, ranMs)
  }

  function rest(): void {
    cancelTimer()
    state = 'stopped'
    changed()
  }

  function pause(how: string, ranMs: number): void {
    restarts += 1
    pauseMs = nextPauseMs(pauseMs, ranMs)
    state = 'waiting'
    log.warn('a server ended and is started again', { server: shown.name, how, pauseMs })
    timer(pauseMs, () => wanted && start(wanted))
    changed()
  }

  function drain(process: WatchedProcess, graceMs: number): void {
    const due = clock.now() + graceMs
    if (state === 'draining' && due >= killAt) return
    const first = state !== 'draining'
    killAt = due
    state = 'draining'
    timer(graceMs, () => process.signal('SIGKILL'))
    if (first) process.signal('SIGTERM')
    changed()
  }

  function want(spec: ServerSpec | null): void {
    const same = isDeepStrictEqual(spec, wanted)
    wanted = spec
    if (running) {
      if (!isDeepStrictEqual(spec, shown)) drain(running, shown.drainMs)
      return
    }
    if (same && state !== 'waiting') return
    pauseMs = 0
    if (spec) start(spec)
    else rest()
  }

  async function end(graceMs: number): Promise<void> {
    wanted = null
    if (!running) return rest()
    const { gone } = running
    drain(running, graceMs)
    await gone
  }

  want(first)
  return {
    want,
    end,
    view: () => ({ spec: shown, state, pid: running?.pid ?? null, restarts, since: running?.since ?? null, lastEnd }),
    get empty() {
      return !running && !wanted
    },
  }
}
