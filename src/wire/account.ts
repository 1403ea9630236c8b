import { Code, RpcError } from './rpc.ts'

/** The error of waits whose connection or call is gone. Shared, since 40,000 may be waiting. */
const waitedInVain = new RpcError(Code.CANCELLED, 'the client has gone')

/** What all connections of one address hold together. */
export interface Client {
  held: number
  accounts: number
}

export interface Waiting {
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** A waiter in the queue. */
export interface Wait {
  /** Settles when the bytes are held; fails with CANCELLED if either side gives up the wait. */
  readonly granted: Promise<void>
  giveUp(): void
}

/** What an account asks of its ledger. */
export interface Shares {
  /** @param inTurn false if others of the same connection are already waiting */
  tryHold(account: Account, bytes: number, inTurn: boolean): boolean
  add(account: Account, bytes: number): void
  queue(account: Account): void
  unqueue(account: Account): void
  /** An account's fair share of the total. */
  share(): number
  /** More is held than the total: bytes that were counted without asking. */
  readonly overdrawn: boolean
  /** Others need what is held. */
  readonly scarce: boolean
  readonly connectionBytesMax: number
  close(account: Account): void
}

/** What one connection holds. */
export class Account {
  readonly address: string
  readonly client: Client
  held = 0
  readonly #ledger: Shares
  readonly #waits = new Set<Waiting>()
  #closed = false

  constructor(ledger: Shares, address: string, client: Client) {
    this.#ledger = ledger
    this.address = address
    this.client = client
  }

  /** Holds this many bytes, if they are available at once. */
  tryHold(bytes: number): boolean {
    return this.#ledger.tryHold(this, bytes, this.#waits.size === 0)
  }

  /** Waits for this many bytes, after they were not available at once. */
  wait(bytes: number): Wait {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const wait: Waiting = { bytes, resolve, reject }
    if (this.#closed) reject(waitedInVain)
    else {
      this.#waits.add(wait)
      this.#ledger.queue(this)
    }
    return { granted: promise, giveUp: () => this.#giveUp(wait) }
  }

  /** Counts bytes that already exist, whether there was room for them or not. */
  add(bytes: number): void {
    this.#ledger.add(this, bytes)
  }

  release(bytes: number): void {
    this.#ledger.add(this, -bytes)
  }

  /** It holds more than one connection should, or more than its share while the total is exceeded. */
  get overdrawn(): boolean {
    if (this.held > this.#ledger.connectionBytesMax) return true
    return this.#ledger.overdrawn && this.held > this.#ledger.share()
  }

  /** Others need what this one holds. */
  get scarce(): boolean {
    return this.#ledger.scarce
  }

  /** There is so much room that nobody has to be careful. */
  isPlenty(bytes: number): boolean {
    const calm = this.#ledger.share() > 4 * (this.held + bytes)
    return calm && !this.#ledger.scarce
  }

  /** The connection is gone: its waits end. What is still held is given back by its holders. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { reject } of this.#waits) reject(waitedInVain)
    this.#waits.clear()
    this.#ledger.close(this)
  }

  // For the ledger alone.

  get waits(): boolean {
    return this.#waits.size > 0
  }

  get bytesWanted(): number {
    for (const { bytes } of this.#waits) return bytes
    return 0
  }

  shift(): Waiting | undefined {
    for (const first of this.#waits) {
      this.#waits.delete(first)
      return first
    }
    return undefined
  }

  #giveUp(wait: Waiting): void {
    if (!this.#waits.delete(wait)) return
    if (this.#waits.size === 0) this.#ledger.unqueue(this)
    wait.reject(waitedInVain)
  }
}
