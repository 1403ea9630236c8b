import type { Account, Wait } from './account.ts'

/** One call's share of its connection's memory for answers, reserved before they are created. */
export class Reservations {
  readonly #account: Account
  readonly #waits = new Set<Wait>()
  #held = 0
  #over = false

  constructor(account: Account) {
    this.#account = account
  }

  /** Reserves this many bytes. @returns a promise if they are not available at once; `leave` rejects it (CANCELLED) */
  take(bytes: number): Promise<void> | undefined {
    if (!this.#account.tryHold(bytes)) return this.#wait(bytes)
    this.#held += bytes
    return undefined
  }

  /** Releases everything that is reserved. */
  release(): void {
    if (this.#held > 0) this.#account.release(this.#held)
    this.#held = 0
  }

  /** The call is over: its waits end, though its handler may still use what it reserved. */
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
