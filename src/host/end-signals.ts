import { type Clock, systemClock } from '../core/clock.ts'

/**
 * A signal to a process group (Ctrl-C, the end of a job of CI, of a unit of systemd) arrives twice where whoever started
 * this process passes signals on as well. People are slower than that.
 */
const echoMs = 200

/** What tells of signals: this process. */
interface Source {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
}

/** Makes `onEndSignal`, for one process. */
export function endSignalsOf(source: Source, clock: Clock): (listener: () => void) => () => void {
  const listeners = new Set<() => void>()
  let lastMs = Number.NEGATIVE_INFINITY
  const heard = () => {
    const before = lastMs
    lastMs = clock.now()
    // A clock that was set back is no echo.
    if (Math.abs(lastMs - before) < echoMs) return
    for (const each of [...listeners]) each()
  }
  return (listener) => {
    if (listeners.size === 0) for (const signal of ['SIGTERM', 'SIGINT'] as const) source.on(signal, heard)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) for (const signal of ['SIGTERM', 'SIGINT'] as const) source.off(signal, heard)
    }
  }
}

/**
 * Calls back at each SIGTERM and SIGINT, which do not end this process meanwhile; a signal that arrives twice counts once.
 * @returns what takes the listener away
 */
export const onEndSignal = endSignalsOf(process, systemClock)
