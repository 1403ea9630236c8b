/** Messages on their way to the scheduler, oldest first. */
export interface Outbox {
  readonly messages: AsyncIterable<Uint8Array>
  /** Bytes that wait. */
  readonly bytes: number
  push(message: Uint8Array): void
  /** Ends the stream once what waits has been taken. */
  end(): void
}

/** An empty one; what is pushed after its end is dropped. */
export function createOutbox(): Outbox {
  const waiting: Uint8Array[] = []
  let bytes = 0
  let ended = false
  let wake: (() => void) | undefined

  async function* messages(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = waiting.shift()
      if (message) {
        bytes -= message.byteLength
        yield message
      } else if (ended) return
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  return {
    messages: messages(),
    get bytes() {
      return bytes
    },
    push(message) {
      if (ended) return
      waiting.push(message)
      bytes += message.byteLength
      wake?.()
    },
    end() {
      ended = true
      wake?.()
    },
  }
}
