/** How many addresses are remembered. */
const addressesMax = 10_000
/** Further strikes have no effect. */
const strikesMax = 6
/** Sweeps, every five seconds, after which one strike is forgotten. */
const forgottenSweeps = 4
/** How many faults make a strike, and how many are forgotten at each sweep. */
const faultsPerStrike = 100
const faultsForgotten = 25

interface Conduct {
  strikes: number
  faults: number
}

/**
 * Addresses whose connections had to be closed because they exceeded the abuse limits, or kept making mistakes that
 * cost a connection each: requests that are malformed, too slow or cut off. Each strike halves the limits of the next
 * connection from there, whichever protocol it uses, so that reconnecting gains nothing; it is not refused, since
 * others may share the address.
 */
export class Strikes {
  readonly #known = new Map<string, Conduct>()
  #sweeps = 0

  /** A connection has exceeded the abuse limits. */
  add(address: string): void {
    const conduct = this.#of(address)
    if (conduct) conduct.strikes = Math.min(conduct.strikes + 1, strikesMax)
  }

  /** A connection has made a mistake that may happen occasionally: a hundred in twenty seconds are a strike. */
  fault(address: string): void {
    const conduct = this.#of(address)
    if (!conduct) return
    conduct.faults += 1
    if (conduct.faults < faultsPerStrike) return
    conduct.faults = 0
    conduct.strikes = Math.min(conduct.strikes + 1, strikesMax)
  }

  count(address: string): number {
    return this.#known.get(address)?.strikes ?? 0
  }

  /** Every five seconds. */
  sweep(): void {
    this.#sweeps += 1
    const forgives = this.#sweeps % forgottenSweeps === 0
    for (const [address, conduct] of this.#known) {
      conduct.faults = Math.max(conduct.faults - faultsForgotten, 0)
      if (forgives) conduct.strikes = Math.max(conduct.strikes - 1, 0)
      if (conduct.strikes === 0 && conduct.faults === 0) this.#known.delete(address)
    }
  }

  #of(address: string): Conduct | undefined {
    const known = this.#known.get(address)
    if (known || this.#known.size >= addressesMax) return known
    const conduct = { strikes: 0, faults: 0 }
    this.#known.set(address, conduct)
    return conduct
  }
}
