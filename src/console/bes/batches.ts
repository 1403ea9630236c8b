import { setImmediate } from 'node:timers/promises'

/** Messages of a stream in batches of those that have already arrived. */
export interface Batches {
  /** At least one message; undefined once the stream has ended. */
  next(): Promise<Uint8Array[] | undefined>
  /** Stops reading. */
  close(): Promise<void>
}

export interface BatchBounds {
  readonly countMax: number
  /** A batch that has reached this size takes no further message. */
  readonly bytesMax: number
}

/** Only the first message of each batch is waited for; at most one message is requested ahead. */
export function batchesOf(messages: AsyncIterable<Uint8Array>, { countMax, bytesMax }: BatchBounds): Batches {
  const iterator = messages[Symbol.asyncIterator]()
  let ahead: Promise<IteratorResult<Uint8Array>> | undefined

  function ask(): Promise<IteratorResult<Uint8Array>> {
    const asked = iterator.next()
    // Its failure surfaces where it is awaited, if it ever is.
    asked.catch(() => undefined)
    return asked
  }

  return {
    async next() {
      const first = await (ahead ?? ask())
      ahead = undefined
      if (first.done) return undefined
      const batch = [first.value]
      for (let bytes = first.value.length; batch.length < countMax && bytes < bytesMax; ) {
        ahead = ask()
        const more = await Promise.race([ahead, setImmediate(undefined)])
        if (!more || more.done) return batch
        ahead = undefined
        batch.push(more.value)
        bytes += more.value.length
      }
      return batch
    },
    async close() {
      await iterator.return?.()
    },
  }
}
