import { addressOf } from './slowdown.ts'
import type { Guest } from './visitor.ts'

/** Checks of credentials that take longer: one of the same credentials at a time, however many calls wait for it. */
export interface Coming {
  /** What the check will come to that runs for these credentials; undefined where none does. */
  find(authorization: string): Promise<Guest> | undefined
  /** Begins a check. @returns undefined where as many run as may, in all or for this address */
  begin(authorization: string, peer: string, check: () => Promise<Guest>): Promise<Guest> | undefined
}

/** At once: in all, and of one address. */
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
