import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addressText,
  blockText,
  contains,
  lastOf,
  parseAddress,
  parseBlock,
  sizeOf,
} from '../../../src/cluster/manifest/ipv4.ts'
import { type AddressPool, checkedAddressPool, chooseAddressPool } from '../../../src/cluster/manifest/pool.ts'
import { Failure } from '../../../src/core/failure.ts'

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 })

/** A network with a prefix of /8 to /30 and addresses in it that containers have. */
const network = fc.tuple(address, fc.integer({ min: 8, max: 30 })).chain(([within, prefix]) => {
  const subnet = parseBlock(`${addressText(within)}/${prefix}`)
  const inside = fc.integer({ min: 0, max: sizeOf(subnet) - 1 })
  // Docker gives from the start; by hand an address may be any.
  const low = inside.map((offset) => subnet.first + ((offset % 20) % sizeOf(subnet)))
  const high = inside.map((offset) => lastOf(subnet) - ((offset % 300) % sizeOf(subnet)))
  const any = inside.map((offset) => subnet.first + offset)
  return fc.record({
    subnet: fc.constant(subnet),
    taken: fc.array(fc.oneof(low, high, any), { maxLength: 200 }),
  })
})

function chosen(subnet: string, ...taken: string[]): AddressPool {
  return chooseAddressPool({ subnet, taken })
}

describe('the address pool', () => {
  it.each([
    ['172.20.0.0/16', '172.20.255.0/28'],
    ['10.0.0.0/8', '10.255.255.0/28'],
    ['192.168.4.0/22', '192.168.7.0/28'],
    ['192.168.4.0/23', '192.168.5.0/28'],
    ['192.168.5.0/24', '192.168.5.224/28'],
    ['192.168.5.128/25', '192.168.5.224/28'],
    ['192.168.5.32/27', '192.168.5.48/29'],
    ['192.168.5.32/28', '192.168.5.40/30'],
    ['192.168.5.32/29', '192.168.5.36/31'],
  ])('of %s is %s', (subnet, cidr) => {
    expect(chosen(subnet, `${subnet.split('/')[0]}`).cidr).toBe(cidr)
  })

  it('has the addresses of the document for its Gateways', () => {
    expect(chosen('172.20.0.0/16', '172.20.0.1', '172.20.0.2/16')).toEqual({
      cidr: '172.20.255.0/28',
      cache: '172.20.255.4',
      scheduler: '172.20.255.5',
    })
  })

  it('makes way for a container that is in it', () => {
    expect(chosen('172.20.0.0/16', '172.20.255.3/16').cidr).toBe('172.20.255.16/28')
    expect(chosen('192.168.5.0/24', '192.168.5.230').cidr).toBe('192.168.5.208/28')
  })

  it('is never another network when none is left', () => {
    const taken = Array.from({ length: 254 }, (_, at) => `10.1.1.${at + 1}`)
    expect(() => chosen('10.1.1.0/24', ...taken)).toThrow(expect.objectContaining({ kind: 'exhausted' }))
    expect(() => chosen('10.1.1.0/30')).toThrow(expect.objectContaining({ kind: 'exhausted' }))
  })

  it('lies in the network, beside every container, and holds both Gateways', () => {
    fc.assert(
      fc.property(network, ({ subnet, taken }) => {
        let pool: AddressPool
        try {
          pool = chooseAddressPool({ subnet: blockText(subnet), taken: taken.map(addressText) })
        } catch (error) {
          expect(error).toMatchObject({ kind: 'exhausted' })
          // Every pair of neighbours has to have one that is taken.
          expect(taken.length + 2).toBeGreaterThanOrEqual(sizeOf(subnet) / 2)
          return
        }
        const block = parseBlock(pool.cidr)
        expect(contains(subnet, block.first) && contains(subnet, lastOf(block))).toBe(true)
        for (const each of [subnet.first, lastOf(subnet), ...taken]) expect(contains(block, each)).toBe(false)
        const [cache, scheduler] = [parseAddress(pool.cache), parseAddress(pool.scheduler)]
        expect(contains(block, cache) && contains(block, scheduler) && cache !== scheduler).toBe(true)
        expect(checkedAddressPool(pool.cidr, { subnet: blockText(subnet), taken: taken.map(addressText) })).toEqual(
          pool,
        )
      }),
    )
  })
})

describe('a pool that the user names', () => {
  const docker = { subnet: '172.20.0.0/16', taken: ['172.20.0.1', '172.20.0.2/16'] }

  it('is taken as it is', () => {
    expect(checkedAddressPool('172.20.10.0/29', docker)).toEqual({
      cidr: '172.20.10.0/29',
      cache: '172.20.10.4',
      scheduler: '172.20.10.5',
    })
  })

  it.each([
    ['172.20.0.0/28', 'overlaps 172.20.0.1'],
    ['172.21.0.0/28', 'not inside'],
    ['172.16.0.0/12', 'not inside'],
    ['172.20.9.9/32', 'two addresses'],
    ['172.20.9.0', 'not an IPv4 network'],
    ['fc00::/64', 'not an IPv4'],
  ])('%s is refused: %s', (cidr, words) => {
    expect(() => checkedAddressPool(cidr, docker)).toThrow(expect.objectContaining({ kind: 'invalid' }))
    expect(() => checkedAddressPool(cidr, docker)).toThrow(words)
  })
})

describe('IPv4 notation', () => {
  it('gives back what it took', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 32 }), (number, prefix) => {
        expect(parseAddress(addressText(number))).toBe(number)
        const block = parseBlock(`${addressText(number)}/${prefix}`)
        expect(contains(block, number)).toBe(true)
        expect(parseBlock(blockText(block))).toEqual(block)
      }),
    )
  })

  it('takes any other text for none', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseBlock(text)).toThrow(Failure)
      }),
    )
    for (const text of ['1.2.3', '256.0.0.1', '01.2.3.4', '1.2.3.4.5', ' 1.2.3.4', '1.2.3.4/33', '1.2.3.4/8/8'])
      expect(() => (text.includes('/') ? parseBlock(text) : parseAddress(text))).toThrow(Failure)
  })
})
