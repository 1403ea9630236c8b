import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { addressList, isAddressPattern, listHas, matchesName } from '../core/host-pattern.ts'
import { Code } from '../wire/rpc.ts'
import { isPublic } from './addresses.ts'
import { AtOrigin } from './at-origin.ts'

/** Which hosts assets may be fetched from: public ones, and those allowed by name or address. */
export interface Admission {
  /**
   * Judges an IP address in a URL, which is never looked up.
   * @throws AtOrigin PERMISSION_DENIED
   */
  assertUrl(url: URL): void
  /**
   * Looks up a name for a connection, which then goes to an address that has been judged and to no other: a different
   * answer to a later look-up (DNS rebinding) makes no difference. If no address is allowed, the error's cause is an
   * AtOrigin.
   */
  readonly lookup: LookupFunction
}

/** @param allow patterns (host-pattern.ts) of hosts in private networks that may be contacted all the same */
export function createAdmission(allow: readonly string[]): Admission {
  const names = allow.filter((pattern) => !isAddressPattern(pattern))
  const networks = addressList(allow.filter(isAddressPattern))
  const isAllowed = (address: string) => isPublic(address) || listHas(networks, address)

  return {
    assertUrl({ hostname }) {
      const host = hostname.replace(/^\[|\]$/g, '')
      if (isIP(host) !== 0 && !isAllowed(host)) throw notAllowed(host)
    },
    lookup(hostname, options, callback) {
      const host = hostname.toLowerCase().replace(/\.$/, '')
      resolve(hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, [])
        const isNamed = names.some((pattern) => matchesName(pattern, host))
        const addresses = found.filter(({ address }) => isNamed || isAllowed(address))
        const [first] = addresses
        if (!first) callback(new Error('no address is allowed', { cause: notAllowed(host) }), [])
        else if (options.all) callback(null, addresses)
        else callback(null, first.address, first.family)
      })
    },
  }
}

function notAllowed(host: string): AtOrigin {
  return new AtOrigin(
    Code.PERMISSION_DENIED,
    `${host} is this machine or in a private network, from which nothing is fetched unless the cache's configuration ` +
      'allows that (cas: asset: allow)',
  )
}
