/** Messages queued for the scheduler, oldest first. */
export interface Outbox {
  readonly messages: AsyncIterable<Uint8Array>
  /** Bytes that wait. */
  readonly bytes: number
  /** How long the oldest message has been waiting because the stream takes nothing; 0 when none is. */
  waitingMs(): number
  push(message: Uint8Array): void
  /** Ends the stream once all queued messages have been taken. */
  end(): void
}

/** An empty outbox; messages pushed after its end are dropped. */
export function createOutbox(nowMs: () => number): Outbox {
  const waiting: { readonly message: Uint8Array; readonly since: number }[] = []
  let bytes = 0
  let ended = false
  let wake: (() => void) | undefined

  async function* messages(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const first = waiting.shift()
      if (first) {
        bytes -= first.message.byteLength
        yield first.message
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
    waitingMs: () => (waiting[0] ? nowMs() - waiting[0].since : 0),
    push(message) {
      if (ended) return
      waiting.push({ message, since: nowMs() })
      bytes += message.byteLength
      wake?.()
    },
    end() {
      ended = true
      wake?.()
    },
  }
}
