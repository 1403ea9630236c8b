/** How many tools each key has, including those being made, and who waits for one of them to be free. */
export interface ToolCounts {
  of(key: string): number
  add(key: string): void
  /** One tool fewer; those who wait may make another. */
  drop(key: string): void
  /** A tool of this key is free. */
  wake(key: string): void
  /** Settles when a tool of this key is free, or has ended. @throws the signal's reason */
  freed(key: string, signal: AbortSignal): Promise<void>
}

export function createToolCounts(): ToolCounts {
  const counts = new Map<string, number>()
  const waiters = new Map<string, Set<() => void>>()

  const wake = (key: string) => {
    for (const each of waiters.get(key) ?? []) each()
    waiters.delete(key)
  }
  return {
    of: (key) => counts.get(key) ?? 0,
    add(key) {
      counts.set(key, (counts.get(key) ?? 0) + 1)
    },
    drop(key) {
      const left = (counts.get(key) ?? 0) - 1
      if (left > 0) counts.set(key, left)
      else counts.delete(key)
      wake(key)
    },
    wake,
    async freed(key, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const onAbort = () => reject(signal.reason)
      signal.throwIfAborted()
      const waiting = waiters.get(key) ?? new Set()
      waiters.set(key, waiting.add(resolve))
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        await promise
      } finally {
        waiting.delete(resolve)
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}
