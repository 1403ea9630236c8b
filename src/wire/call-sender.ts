import { callEnded } from './call-errors.ts'
import type { RpcError, Send } from './rpc.ts'
import type { StreamOut } from './stream.ts'

/** Sends one handler's messages, with back-pressure while its client is slow. */
export class CallSender {
  readonly send: Send
  #room: PromiseWithResolvers<void> | undefined
  #over = false

  constructor(out: StreamOut) {
    this.send = (message, rest) => {
      if (this.#over) throw callEnded
      if (out.write(message, rest)) return
      this.#room ??= createRoom()
      return this.#room.promise
    }
  }

  /** There is room again. */
  drained(): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  /** The call is over: a waiting handler learns why. */
  end(error: RpcError): void {
    this.#over = true
    this.#room?.reject(error)
  }
}

function createRoom(): PromiseWithResolvers<void> {
  const room = Promise.withResolvers<void>()
  // A handler that sends without awaiting must not crash the process when the client goes away.
  room.promise.catch(() => undefined)
  return room
}
