import type { ServerLog } from './call-context.ts'
import type { Visitor } from './door.ts'
import { errorTrailers } from './headers.ts'
import { Code, RpcError } from './rpc.ts'
import type { StreamIn, StreamOut } from './stream.ts'

/**
 * How much of a request is buffered before its sender is known; beyond that, the call fails. A client may send 4 MiB
 * before it learns that it has to wait. The connection's account covers these bytes like any others.
 */
const keptBytesMax = 5 * 1024 * 1024

/** A call whose credentials are still being checked. What has arrived of its request is buffered, unread. */
export class WaitingCall implements StreamIn {
  readonly #out: StreamOut
  #call: StreamIn | undefined
  #kept: Buffer[] = []
  #keptBytes = 0
  #ended = false
  #over = false

  /** @param begin starts the call, or refuses it */
  constructor(
    out: StreamOut,
    visitor: Promise<Visitor>,
    begin: (visitor: Visitor) => StreamIn,
    log: ServerLog | undefined,
  ) {
    this.#out = out
    out.pause()
    visitor
      .then((known) => {
        if (!this.#over) this.#begin(begin(known))
      })
      .catch((error: unknown) => {
        log?.error('a login failed', { error })
        this.#giveUp(new RpcError(Code.INTERNAL, 'internal error'))
      })
  }

  data(chunk: Buffer, start: number, end: number): void {
    if (this.#call) this.#call.data(chunk, start, end)
    else if (!this.#over && end > start) this.#keep(chunk.subarray(start, end))
  }

  end(): void {
    this.#ended = true
    this.#call?.end()
  }

  drained(): void {
    this.#call?.drained()
  }

  closed(cancelled: boolean): void {
    this.#over = true
    this.#drop()
    this.#call?.closed(cancelled)
  }

  stalled(): void {
    this.#call?.stalled()
  }

  sweep(): void {
    this.#call?.sweep()
  }

  #keep(bytes: Buffer): void {
    if (this.#keptBytes + bytes.length > keptBytesMax || !this.#out.requests.tryHold(bytes.length)) {
      this.#giveUp(new RpcError(Code.UNAVAILABLE, 'the credentials are still being checked: try again'))
      return
    }
    this.#keptBytes += bytes.length
    this.#kept.push(Buffer.from(bytes))
  }

  #begin(call: StreamIn): void {
    const kept = this.#drop()
    this.#call = call
    this.#out.resume()
    for (const chunk of kept) call.data(chunk, 0, chunk.length)
    if (this.#ended) call.end()
  }

  #giveUp(error: RpcError): void {
    if (this.#over) return
    this.#over = true
    this.#drop()
    this.#out.end(undefined, errorTrailers(error))
  }

  #drop(): Buffer[] {
    const kept = this.#kept
    this.#kept = []
    if (this.#keptBytes > 0) this.#out.requests.release(this.#keptBytes)
    this.#keptBytes = 0
    return kept
  }
}
