/** One client's connection, whichever protocol it speaks. */
export interface Connection {
  /** True when it has no calls and has said nothing for a while: it may be closed when others need its place. */
  readonly idle: boolean
  /** Every five seconds: refills the abuse limits and ends what has lasted too long. */
  sweep(): void
  /** Takes no more calls, lets those in flight end, then closes. */
  drain(): void
  destroy(): void
}
