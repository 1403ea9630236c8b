/**
 * Many writers, one reader, and no more than `capacity` items between them: a writer waits for room.
 */
export interface Queue<T> {
  /** Resolves when the item has found room, or nobody is reading any more. */
  push(item: T): Promise<void>
  /** Ends the reading after the queued items; with an error, reading then throws it. */
  close(error?: unknown): void
  read(): AsyncGenerator<T, void>
}

export function createQueue<T>(capacity: number): Queue<T> {
  const items: T[] = []
  let closed: { readonly error?: unknown } | undefined
  let filled = Promise.withResolvers<void>()
  let emptied = Promise.withResolvers<void>()

  return {
    async push(item) {
      while (items.length >= capacity && !closed) await emptied.promise
      if (closed) return
      items.push(item)
      filled.resolve()
    },
    close(error) {
      closed ??= error === undefined ? {} : { error }
      filled.resolve()
      emptied.resolve()
    },
    async *read() {
      for (;;) {
        while (items.length > 0) {
          const batch = items.splice(0)
          emptied.resolve()
          emptied = Promise.withResolvers<void>()
          yield* batch
        }
        if (closed) {
          if ('error' in closed) throw closed.error
          return
        }
        await filled.promise
        filled = Promise.withResolvers<void>()
      }
    },
  }
}
