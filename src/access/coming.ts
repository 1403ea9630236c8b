import { addressOf } from './slowdown.ts'
import type { Guest } from './visitor.ts'

/**
 * Slow checks of credentials: the same credentials are checked once at a time, however many calls wait for the result.
 */
export interface Coming {
  /** The result of the check that is running for these credentials; undefined if none is. */
  find(authorization: string): Promise<Guest> | undefined
  /** Begins a check. @returns undefined if the limit is reached, in all or for this address */
  begin(authorization: string, peer: string, check: () => Promise<Guest>): Promise<Guest> | undefined
}

/** Concurrent checks: in all, and per address. */
const comingMax = 256
const comingOfAddressMax = 64

export function createComing(): Coming {
  const coming = new Map<string, Promise<Guest>>()
  const byAddress = new Map<string, number>()

  return {
    find: (authorization) => coming.get(authorization),
    begin(authorization, peer, check) {
      const address = addressOf(peer)
      const ofAddress = byAddress.get(address) ?? 0
      if (coming.size >= comingMax || ofAddress >= comingOfAddressMax) return undefined
      byAddress.set(address, ofAddress + 1)
      const guest = check().finally(() => {
        coming.delete(authorization)
        const left = (byAddress.get(address) ?? 1) - 1
        if (left > 0) byAddress.set(address, left)
        else byAddress.delete(address)
      })
      coming.set(authorization, guest)
      return guest
    },
  }
}
