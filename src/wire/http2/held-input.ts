import type { Turns } from './turns.ts'

/** Received bytes of a connection that wait for their turn; nothing more is read meanwhile. */
export class HeldInput {
  readonly #turns: Turns
  #bytes: Buffer | undefined
  /** How many of them have been processed. */
  #at = 0

  constructor(turns: Turns) {
    this.#turns = turns
  }

  get isEmpty(): boolean {
    return this.#bytes === undefined
  }

  /** Keeps a copy of more bytes. */
  add(chunk: Buffer): void {
    const bytes = this.#bytes ? Buffer.concat([this.#bytes.subarray(this.#at), chunk]) : Buffer.from(chunk)
    this.drop()
    this.#turns.hold(bytes.length)
    this.#bytes = bytes
    this.#at = 0
  }

  /** @param process processes bytes from a place on, and returns where it stopped */
  take(process: (bytes: Buffer, start: number) => number): void {
    const bytes = this.#bytes
    if (!bytes) return
    this.#at = process(bytes, this.#at)
    if (this.#at === bytes.length) this.drop()
  }

  drop(): void {
    if (!this.#bytes) return
    this.#turns.release(this.#bytes.length)
    this.#bytes = undefined
  }
}
