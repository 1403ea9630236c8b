/** Messages that one side puts in and the other side takes out, waiting for them. */
export interface Mailbox<T> extends AsyncIterable<T> {
  push(item: T): void
  end(): void
  fail(error: unknown): void
  /** The next message; undefined once the end has come. */
  next(): Promise<T | undefined>
}

export function mailbox<T>(): Mailbox<T> {
  const items: T[] = []
  const waiting: (() => void)[] = []
  let outcome: { readonly error?: unknown } | undefined

  function wake(): void {
    for (const resume of waiting.splice(0)) resume()
  }

  async function next(): Promise<T | undefined> {
    for (;;) {
      const item = items.shift()
      if (item !== undefined) return item
      if (outcome && 'error' in outcome) throw outcome.error
      if (outcome) return undefined
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }

  return {
    push(item) {
      items.push(item)
      wake()
    },
    end() {
      outcome ??= {}
      wake()
    },
    fail(error) {
      outcome ??= { error }
      wake()
    },
    next,
    async *[Symbol.asyncIterator]() {
      for (let item = await next(); item !== undefined; item = await next()) yield item
    },
  }
}
