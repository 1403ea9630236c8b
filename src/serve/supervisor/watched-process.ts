import type { ServerSpec } from '../../config/supervisor.ts'
import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Launched } from './launch.ts'
import { silentSecondsMax, watchLife } from './watch.ts'

/** A server's process, which is killed when it hangs. */
export interface WatchedProcess {
  readonly pid: number | null
  /** When it was started, in milliseconds since 1970. */
  readonly since: number
  /** Settles when it is gone and `onEnded` was called. */
  readonly gone: Promise<void>
  signal(name: 'SIGTERM' | 'SIGKILL'): void
}

export interface WatchedProcessOptions {
  readonly clock: Clock
  readonly log: Log
  readonly launch: (spec: ServerSpec) => Launched
  /** It has been told to end: however long that takes, it does not count as hung. */
  readonly draining: () => boolean
  readonly onReady: () => void
  /** Called with how it ended, in words. */
  readonly onEnded: (how: string) => void
}

export function startWatched(spec: ServerSpec, options: WatchedProcessOptions): WatchedProcess {
  const { clock, log } = options
  const { pid, ready, ended, signs, signal } = options.launch(spec)
  let hung = false
  let over = false

  /** It cannot drain either: a hung process only reacts to SIGKILL. */
  function killHung(): void {
    if (over || options.draining()) return
    hung = true
    log.error('a server hangs and is killed', { server: spec.name, silentSeconds: silentSecondsMax })
    signal('SIGKILL')
  }

  const stopWatching = watchLife(clock, signs, killHung)
  const end = (reason: string) => {
    over = true
    stopWatching()
    options.onEnded(hung ? `no sign of life for ${silentSecondsMax} s, killed` : reason)
  }
  ready.then(
    () => {
      if (!over) options.onReady()
    },
    (error: unknown) => log.error('the output of a server cannot be read', { error }),
  )
  return { pid, since: clock.now(), gone: ended.then(end, (error: unknown) => end(String(error))), signal }
}
