/**
 * What ends a server: the first SIGTERM or SIGINT asks for a drain, the second one, or the
 * end of the process that started it, asks to stop at once.
 */
export interface Shutdown {
  /** Settles when the server shall begin to drain. */
  readonly drain: Promise<void>
  /** Settles when it shall wait no longer. */
  readonly now: Promise<void>
  /** Listens no more. */
  release(): void
}

/** @param watchParent calls back when the parent goes; answers how to stop watching */
export function watchShutdown(process: NodeJS.Process, watchParent: (gone: () => void) => () => void): Shutdown {
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
  process.on('SIGTERM', ask)
  process.on('SIGINT', ask)
  return {
    drain: drain.promise,
    now: now.promise,
    release() {
      process.off('SIGTERM', ask)
      process.off('SIGINT', ask)
      unwatch()
    },
  }
}
