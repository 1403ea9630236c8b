import type { Account, Wait } from './account.ts'

/** What one call has taken of its connection's memory for answers, before they were made. */
export class Reservations {
  readonly #account: Account
  readonly #waits = new Set<Wait>()
  #held = 0
  #over = false

  constructor(account: Account) {
    this.#account = account
  }

  /** Takes so many bytes; a promise when they are not to be had at once. It fails with CANCELLED once `leave` was called. */
  take(bytes: number): Promise<void> | undefined {
    if (!this.#account.tryHold(bytes)) return this.#wait(bytes)
    this.#held += bytes
    return undefined
  }

  /** Gives back all that is taken. */
  release(): void {
    if (this.#held > 0) this.#account.release(this.#held)
    this.#held = 0
  }

  /** The call is over: nobody waits any more, though its handler may still have what it took. */
  leave(): void {
    this.#over = true
    for (const wait of this.#waits) wait.giveUp()
  }

  async #wait(bytes: number): Promise<void> {
    const wait = this.#account.wait(bytes)
    this.#waits.add(wait)
    if (this.#over) wait.giveUp()
    try {
      await wait.granted
      this.#held += bytes
    } finally {
      this.#waits.delete(wait)
    }
  }
}
