const connectMsMax = 20_000
const answerMsMax = 20_000

/** What patience needs of its connection. */
interface Watched {
  /** Is anybody waiting for the server? */
  readonly awaited: boolean
  /** Pings the server. */
  ask(): void
  giveUp(why: string): void
}

/** Gives up on a server that accepts no connection, or is silent while it has calls. */
export class Patience {
  readonly #watched: Watched
  readonly #everyMs: number
  readonly #interval: NodeJS.Timeout
  #timer: NodeJS.Timeout | undefined
  #heard = true

  /** @param everyMs how long a server may be silent before it is pinged */
  constructor(watched: Watched, everyMs: number) {
    this.#watched = watched
    this.#everyMs = everyMs
    this.#expect(connectMsMax, 'it takes no connection')
    this.#interval = setInterval(() => this.#look(), everyMs)
    this.#interval.unref()
  }

  /** The server has sent something, or accepted the connection. */
  heard(): void {
    this.#heard = true
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  stop(): void {
    clearInterval(this.#interval)
    clearTimeout(this.#timer)
  }

  #look(): void {
    const silent = !this.#heard
    this.#heard = false
    if (!silent || !this.#watched.awaited || this.#timer) return
    this.#expect(Math.min(answerMsMax, this.#everyMs), 'it does not answer')
    this.#watched.ask()
  }

  #expect(ms: number, why: string): void {
    this.#timer = setTimeout(() => this.#watched.giveUp(why), ms).unref()
  }
}
