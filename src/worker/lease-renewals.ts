import type { Clock } from '../core/clock.ts'

/** Renews all leases of a stream, for as long as that works. */
export interface LeaseRenewals {
  /** @param leaseMs how long a lease lasts without being renewed */
  start(leaseMs: number): void
  stop(): void
}

export interface LeaseRenewalsOptions {
  readonly clock: Clock
  /** A clock in milliseconds that keeps running while this process is stopped, and pauses while the machine sleeps. */
  readonly monotonicMs: () => number
  /** How long the oldest unsent message has been waiting, in milliseconds. */
  readonly unsentMs: () => number
  readonly renew: () => void
  /** Nothing was renewed for a lease duration: all leases are lost, and others run these actions by now. */
  readonly lost: (silentMs: number) => void
}

/** Renewals per lease duration: one may be lost without harm. */
const renewalsPerLease = 3

export function createLeaseRenewals(options: LeaseRenewalsOptions): LeaseRenewals {
  const { clock, monotonicMs, unsentMs, renew, lost } = options
  let cancelTimer: () => void = () => undefined

  function start(leaseMs: number): void {
    cancelTimer()
    const lastMs = monotonicMs()
    cancelTimer = clock.after(leaseMs / renewalsPerLease, () => {
      const silentMs = Math.max(monotonicMs() - lastMs, unsentMs())
      if (silentMs >= leaseMs) lost(silentMs)
      else {
        renew()
        start(leaseMs)
      }
    })
  }

  return { start, stop: () => cancelTimer() }
}
