import { Account, type Client, type Shares } from './account.ts'

/** What one connection may always hold, however little is left, so that small calls never wait for other connections. */
const certainBytesMax = 64 * 1024
/** The minimum fair share of a connection. */
const shareBytesMin = 16 * 1024

export interface LedgerOptions {
  /** For all clients together. */
  readonly bytesMax: number
  /** For all connections of one address; the rest is left for others. */
  readonly clientBytesMax: number
  readonly connectionBytesMax: number
}

/**
 * Memory that all clients of a server share: who holds how much, and whose turn is next. It is held before it is used,
 * so that work that begins at the same time is limited too. A connection that holds something gets more only while
 * twice as much is left for others, so that newcomers find some. Waiters are served in order of what they hold, the
 * least first.
 */
export class Ledger implements Shares {
  readonly #options: LedgerOptions
  readonly #clients = new Map<string, Client>()
  /** Accounts with waiters, ordered by when they began to wait or had their last turn. */
  readonly #waiting = new Set<Account>()
  #held = 0
  #accounts = 0
  #refused = false
  /** The next in turn needs more than is left: nobody overtakes it. */
  #blocked = false
  #scheduled = false

  constructor(options: LedgerOptions) {
    this.#options = options
  }

  /** Total bytes held. */
  get held(): number {
    return this.#held
  }

  /** Somebody is waiting, has been refused since the last `settle`, or hardly anything is left. */
  get scarce(): boolean {
    return this.#refused || this.#waiting.size > 0 || this.#held > this.#options.bytesMax / 2
  }

  /** An account for a connection. @param address of the client, without its port */
  open(address: string): Account {
    const client = this.#clients.get(address) ?? { held: 0, accounts: 0 }
    this.#clients.set(address, client)
    client.accounts += 1
    this.#accounts += 1
    return new Account(this, address, client)
  }

  /** Forgets refusals: called periodically, after stalled calls have been ended. */
  settle(): void {
    this.#refused = false
  }

  // For accounts alone.

  /** @param inTurn false if others of the same connection are already waiting */
  tryHold(account: Account, bytes: number, inTurn: boolean): boolean {
    if (this.#certain(account, bytes) || (inTurn && !this.#blocked && this.#fits(account, bytes))) {
      this.add(account, bytes)
      return true
    }
    this.#refused = true
    return false
  }

  add(account: Account, bytes: number): void {
    account.held += bytes
    account.client.held += bytes
    this.#held += bytes
    if (account.client.accounts === 0) this.#forgetIfEmpty(account)
    if (bytes < 0 && this.#waiting.size > 0) this.#schedule()
  }

  queue(account: Account): void {
    this.#waiting.add(account)
    this.#schedule()
  }

  unqueue(account: Account): void {
    this.#waiting.delete(account)
    if (this.#blocked) this.#schedule()
  }

  /** An account's fair share of the total. */
  share(): number {
    return Math.max(this.#options.bytesMax / Math.max(this.#accounts, 1), shareBytesMin)
  }

  /** More is held than the total: bytes that were counted without asking. */
  get overdrawn(): boolean {
    return this.#held > this.#options.bytesMax
  }

  get connectionBytesMax(): number {
    return this.#options.connectionBytesMax
  }

  close(account: Account): void {
    this.unqueue(account)
    this.#accounts -= 1
    account.client.accounts -= 1
    if (account.client.accounts === 0) this.#forgetIfEmpty(account)
  }

  /** What a client's handlers hold after it has gone still counts as its own when it comes back. */
  #forgetIfEmpty({ address, client }: Account): void {
    if (client.held === 0 && this.#clients.get(address) === client) this.#clients.delete(address)
  }

  /** Bytes that are left for this client. */
  #left({ client }: Account): number {
    const { bytesMax, clientBytesMax } = this.#options
    return Math.min(bytesMax - this.#held, clientBytesMax - client.held)
  }

  #certain(account: Account, bytes: number): boolean {
    return account.held + bytes <= Math.min(certainBytesMax, this.share())
  }

  #fits(account: Account, bytes: number): boolean {
    const left = this.#left(account)
    if (account.held === 0) return bytes <= left
    return account.held + bytes <= Math.min(left / 2, this.#options.connectionBytesMax)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#grant()
    })
  }

  #grant(): void {
    this.#blocked = false
    for (;;) {
      const next = this.#next()
      if (!next) return
      const wait = next.shift()
      // Its next turn comes after those of all others that hold as little.
      this.#waiting.delete(next)
      if (next.waits) this.#waiting.add(next)
      if (!wait) continue
      this.add(next, wait.bytes)
      wait.resolve()
    }
  }

  /** The next in turn: of the accounts within their own limits, the one that holds least. */
  #next(): Account | undefined {
    let best: Account | undefined
    for (const account of this.#waiting) {
      if (account.held > 0 && !this.#fits(account, account.bytesWanted)) continue
      if (!best || holdsLess(account, best)) best = account
    }
    if (!best || this.#fits(best, best.bytesWanted)) return best
    this.#blocked = true
    return undefined
  }
}

function holdsLess(one: Account, other: Account): boolean {
  if (one.client.held !== other.client.held && one.client !== other.client) return one.client.held < other.client.held
  return one.held < other.held
}
