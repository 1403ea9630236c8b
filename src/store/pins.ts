import type { Digest } from '../core/digest.ts'

/** What is kept for builds while they run: a blob that a live invocation holds is not evicted. */
export interface Pins {
  /**
   * The invocation that a call names; live from now on, until it has not been named for a while.
   * @param client the address of the caller, without the port
   */
  holder(invocation: string, client: string): Holder
  /** Keeps for everyone who holds a blob, or all the chunks that it stood in, the chunks that stand in its place from now on. */
  pass(held: readonly Digest[], chunks: readonly Digest[]): void
  /** Those that are live. */
  live(): readonly HolderFacts[]
  /** What is kept in all, in bytes on disk; what several hold counts once. */
  readonly bytes: number
  /** The most that is kept. */
  readonly bytesMax: number
  /** Blobs that were there and could not be kept for the caller, since the start. */
  readonly unheld: number
  /** Uploads that were refused, since the start. */
  readonly refused: number
}

/** An invocation that is live. Each of these counts as a sign of life. Where too many are live, nothing is kept for it. */
export interface Holder {
  /**
   * Keeps what is there, as far as there is room for it; counts as its use.
   * @returns those that are absent
   */
  keep(digests: readonly Digest[]): Digest[]
  /** Can all of these be kept as things are, even if nothing of them is yet? */
  fits(digests: readonly Digest[]): boolean
  /**
   * Before a blob is uploaded: can it be kept? Settles once there is room for it.
   * @throws Failure 'exhausted' when others hold too much
   */
  assertRoom(digest: Digest): void | Promise<void>
  /**
   * Keeps what has just been uploaded. Absent is only what is stored in chunks.
   * @returns false when it is absent
   * @throws Failure 'exhausted' when it cannot be kept
   */
  take(digest: Digest): boolean
}

/** What `status` shows of an invocation. */
export interface HolderFacts {
  readonly invocation: string
  readonly client: string
  /** What it holds, in bytes on disk; what others hold too counts. */
  readonly bytes: number
  readonly values: number
  /** How long it has not been named, in milliseconds. */
  readonly silentMs: number
}
