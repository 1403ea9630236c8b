import { matches, type Offer, type Platform } from './match.ts'

/** Offers of workers that have left, which may come back. */
export interface DepartedOffers {
  /** The last worker with this offer has left. */
  add(offer: Offer): void
  /** A worker with this offer is there again. */
  remove(offer: Offer): void
  /** Has a worker that could take this left only just now? */
  include(platform: Platform): boolean
}

const offersMax = 64

/** @param keptMs how long an offer counts after its last worker has left */
export function createDepartedOffers(now: () => number, keptMs: number): DepartedOffers {
  const offers = new Map<string, { readonly offer: Offer; readonly at: number }>()
  return {
    add(offer) {
      offers.set(offer.key, { offer, at: now() })
      const oldest = offers.size > offersMax ? offers.keys().next().value : undefined
      if (oldest !== undefined) offers.delete(oldest)
    },
    remove(offer) {
      offers.delete(offer.key)
    },
    include(platform) {
      const since = now() - keptMs
      return [...offers.values()].some(({ offer, at }) => at > since && matches(platform, offer))
    },
  }
}
