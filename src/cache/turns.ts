import { createGate } from '../core/gate.ts'
import { type Call, Code, RpcError } from '../wire/rpc.ts'

/**
 * Large answers that are begun at once. Each has a message's bytes in memory that the transport
 * does not know of yet; what it knows of, it bounds (Call.room).
 */
const begunAtOnceMax = 32
/** Smaller answers are made without a turn: 10,000 of them fit into memory. */
export const promptBytesMax = 16 * 1024

/** Who may begin a large answer. */
export interface Turns {
  /**
   * Waits until the client takes answers and few others are begun. The function that it gives
   * is to be called when the first message has been handed to the transport, or at the end;
   * again it does nothing.
   * @throws RpcError CANCELLED when the client has gone meanwhile
   */
  take(call: Call): Promise<() => void>
}

export function createTurns(): Turns {
  const gate = createGate(begunAtOnceMax)

  /** Undefined when the client had no room any more when the turn came. */
  function enter(call: Call): Promise<(() => void) | undefined> {
    return new Promise((resolve, reject) => {
      gate(async () => {
        if (call.room()) {
          resolve(undefined)
          return
        }
        const { promise, resolve: leave } = Promise.withResolvers<void>()
        resolve(leave)
        await promise
      }).catch(reject)
    })
  }

  return {
    async take(call) {
      for (;;) {
        await call.room()
        const leave = await enter(call)
        if (!leave) continue
        if (!call.signal.aborted) return leave
        leave()
        throw new RpcError(Code.CANCELLED, 'the client has gone')
      }
    },
  }
}
