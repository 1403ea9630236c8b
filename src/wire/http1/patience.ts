/** The limits of an HTTP/1.1 client, depending on its address's past behaviour. */
export interface Patience {
  /** Sweeps, every five seconds, within which a head has to arrive, and a body that nobody reads has to end. */
  readonly headSweeps: number
  /** Sweeps for which a connection may be idle between two requests. */
  readonly restSweeps: number
  /** Sweeps after which a body or an answer without progress is ended; `scarceSweeps` while others need the memory. */
  readonly stuckSweeps: number
  readonly scarceSweeps: number
  /** Requests that may wait on one connection for earlier ones. */
  readonly waiting: number
}

/** Ten minutes, since closing an idle connection can collide with its next request. A body has one minute. */
const most: Patience = { headSweeps: 2, restSweeps: 120, stuckSweeps: 12, scarceSweeps: 2, waiting: 1_000 }

/** @param strikes of the address (strikes.ts): each halves every limit, down to one */
export function patienceFor(strikes: number): Patience {
  const part = (of: number) => Math.max(1, Math.floor(of / 2 ** strikes))
  return {
    headSweeps: part(most.headSweeps),
    restSweeps: part(most.restSweeps),
    stuckSweeps: part(most.stuckSweeps),
    scarceSweeps: part(most.scarceSweeps),
    waiting: part(most.waiting),
  }
}
