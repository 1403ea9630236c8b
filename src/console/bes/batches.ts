import { setImmediate } from 'node:timers/promises'

/** Messages of a stream as they come, those together that are there already. */
export interface Batches {
  /** At least one message; undefined once the stream has ended. */
  next(): Promise<Uint8Array[] | undefined>
  /** Takes no more. */
  close(): Promise<void>
}

export interface BatchBounds {
  readonly countMax: number
  /** A batch takes no further message once it has so much. */
  readonly bytesMax: number
}

/** Nothing is waited for but the first message of each batch; beyond a batch, one message is asked for ahead. */
export function batchesOf(messages: AsyncIterable<Uint8Array>, { countMax, bytesMax }: BatchBounds): Batches {
  const iterator = messages[Symbol.asyncIterator]()
  let ahead: Promise<IteratorResult<Uint8Array>> | undefined

  function ask(): Promise<IteratorResult<Uint8Array>> {
    const asked = iterator.next()
    // Whoever awaits it hears of its failure; nobody may come to that.
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
