import { BlockList, isIP } from 'node:net'
import { Failure } from './failure.ts'

/**
 * A host in a configuration: a name, `*.` and a suffix, an address, or a network (CIDR, RFC 4632).
 * @throws Failure 'invalid' for anything else
 */
export function parseHostPattern(text: string): string {
  const isName = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i.test(text)
  if (isAddressPattern(text) ? addToList(new BlockList(), text) : isName) return text.toLowerCase()
  throw new Failure('invalid', 'expected a host, *.DOMAIN, an address, or a network such as 10.1.0.0/16', {
    where: text.slice(0, 100),
  })
}

/** Does it match addresses rather than names? */
export function isAddressPattern(text: string): boolean {
  return text.includes('/') || isIP(text) !== 0
}

/**
 * Does a name pattern match this name?
 * @param name in lower case
 */
export function matchesName(pattern: string, name: string): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern
}

/** A list of parsed addresses and networks. */
export function addressList(patterns: readonly string[]): BlockList {
  const list = new BlockList()
  for (const pattern of patterns)
    if (!addToList(list, pattern)) throw new Failure('invalid', 'this is not a network', { where: pattern })
  return list
}

/** Does the list contain this address? @param address without brackets; a zone after `%` is ignored */
export function listHas(list: BlockList, address: string): boolean {
  const bare = address.replace(/%.*$/, '')
  const family = isIP(bare)
  return family !== 0 && list.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}

function addToList(list: BlockList, pattern: string): boolean {
  const [network = '', bits, ...more] = pattern.split('/')
  const family = isIP(network)
  const bitsMax = family === 4 ? 32 : 128
  const length = bits === undefined ? bitsMax : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (family === 0 || more.length > 0 || !(length <= bitsMax)) return false
  list.addSubnet(network, length, family === 4 ? 'ipv4' : 'ipv6')
  return true
}
