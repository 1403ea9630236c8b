/** One client's connection, whichever protocol it speaks. */
export interface Connection {
  /** True if it has no calls and has been silent for a while: it may be closed when others need its place. */
  readonly idle: boolean
  /** Every five seconds: refills the abuse limits and ends what has taken too long. */
  sweep(): void
  /** Accepts no more calls, lets those in flight finish, then closes. */
  drain(): void
  destroy(): void
}
