import { onEndSignal } from '../host/end-signals.ts'

/**
 * Shutdown requests: the first SIGTERM or SIGINT asks for a drain; the second one, or the end of the parent process,
 * for an immediate stop.
 */
export interface Shutdown {
  /** Settles when the server should begin to drain. */
  readonly drain: Promise<void>
  /** Settles when it should wait no longer. */
  readonly now: Promise<void>
  /** Removes the listeners. */
  release(): void
}

/** @param watchParent calls back when the parent is gone; returns a function that stops watching */
export function watchShutdown(watchParent: (gone: () => void) => () => void): Shutdown {
  const drain = Promise.withResolvers<void>()
  const now = Promise.withResolvers<void>()
  let asked = false
  const ask = () => {
    if (asked) now.resolve()
    asked = true
    drain.resolve()
  }
  const unwatch = watchParent(() => {
    asked = true
    drain.resolve()
    now.resolve()
  })
  const unhear = onEndSignal(ask)
  return {
    drain: drain.promise,
    now: now.promise,
    release() {
      unhear()
      unwatch()
    },
  }
}
