import type { RpcError, Send } from '../wire/rpc.ts'
import { toRpcError } from '../wire/status.ts'

/** Messages queued for one worker, in order. */
export interface Outbox {
  push(message: Uint8Array): void
}

/**
 * Sends one message after the other, as fast as the stream accepts them. The protocol bounds how many wait: a lease and
 * its cancellation for each slot.
 * @param broken called once when the stream fails
 */
export function createOutbox(send: Send, broken: (error: RpcError) => void): Outbox {
  const waiting: Uint8Array[] = []
  let running = false
  let failed = false

  async function pump(): Promise<void> {
    running = true
    for (let next = waiting.shift(); next; next = waiting.shift()) await send(next)
    // Synchronously after the check for an empty list, so that a later push starts a new run.
    running = false
  }

  return {
    push(message) {
      if (failed) return
      waiting.push(message)
      if (running) return
      pump().catch((error: unknown) => {
        failed = true
        waiting.length = 0
        broken(toRpcError(error))
      })
    },
  }
}
