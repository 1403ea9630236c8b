/** An empty message takes memory too; otherwise a flood of them would count as nothing. */
const messageCostBytes = 64

/** The side that fills a queue. */
export interface QueueOwner {
  /** The reader has taken a message. */
  taken(): void
  /** The reader asks for the message after this one, or will ask no more. */
  done?(message: Buffer): void
  /** The reader stopped before the end; what is pushed from now on is dropped. */
  left(): void
}

type Result = IteratorResult<Buffer, undefined>

interface Wake {
  resolve(result: Result): void
  reject(error: Error): void
}

/**
 * Messages between a transport and their reader. Its owner limits its growth: it watches `bytes` and is notified when
 * there is room. A class, since there is one per streaming call.
 */
export class MessageQueue implements AsyncIterableIterator<Buffer, undefined> {
  readonly #owner: QueueOwner
  readonly #waiting: Buffer[] = []
  #bytes = 0
  /** What follows the queued messages. */
  #outcome: 'open' | 'ended' | Error = 'open'
  #wake: Wake | undefined
  /** The message that the reader has now. */
  #given: Buffer | undefined

  constructor(owner: QueueOwner) {
    this.#owner = owner
  }

  /** Queued bytes, including each message's overhead. */
  get bytes(): number {
    return this.#bytes
  }

  push(message: Buffer): void {
    if (this.#outcome !== 'open') return
    const wake = this.#wake
    if (wake) {
      this.#wake = undefined
      this.#given = message
      wake.resolve({ value: message, done: false })
    } else {
      this.#waiting.push(message)
      this.#bytes += message.length + messageCostBytes
    }
  }

  /** True once nothing more is accepted. */
  get closed(): boolean {
    return this.#outcome !== 'open'
  }

  /** No more messages: the reader ends, or fails, after it has read what is queued. */
  end(error?: Error): void {
    if (this.#outcome !== 'open') return
    this.#outcome = error ?? 'ended'
    const wake = this.#wake
    this.#wake = undefined
    if (error) wake?.reject(error)
    else wake?.resolve({ value: undefined, done: true })
  }

  /** Drops what is queued: the reader fails at once, even if it would have ended. */
  fail(error: Error): void {
    this.#drop()
    if (this.#outcome === 'open') this.end(error)
    else this.#outcome = error
  }

  /** The reader is done with the last message that it took. */
  release(): void {
    const given = this.#given
    this.#given = undefined
    if (given) this.#owner.done?.(given)
  }

  next(): Promise<Result> {
    this.release()
    const message = this.#waiting.shift()
    this.#given = message
    if (message) {
      this.#bytes -= message.length + messageCostBytes
      this.#owner.taken()
      return Promise.resolve({ value: message, done: false })
    }
    if (this.#outcome instanceof Error) return Promise.reject(this.#outcome)
    if (this.#outcome === 'ended') return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve, reject) => {
      this.#wake = { resolve, reject }
    })
  }

  return(): Promise<Result> {
    this.#drop()
    if (this.#outcome === 'open') {
      this.#outcome = 'ended'
      this.#owner.left()
    }
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #drop(): void {
    this.#waiting.length = 0
    this.#bytes = 0
  }
}
