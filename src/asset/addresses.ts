import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { addressList, listHas } from '../core/host-pattern.ts'

/** Made when the first address is asked about: that takes several milliseconds, which no start of a server has to wait for. */
let known: ReturnType<typeof makeRanges> | undefined

function makeRanges() {
  return {
    /**
     * IPv4 ranges that are not on the internet, or from which nobody downloads (IANA's special-purpose registry, RFC
     * 6890).
     */
    special4: addressList([
      '0.0.0.0/8',
      '10.0.0.0/8',
      '100.64.0.0/10',
      '127.0.0.0/8',
      '169.254.0.0/16',
      '172.16.0.0/12',
      '192.0.0.0/24',
      '192.0.2.0/24',
      '192.88.99.0/24',
      '192.168.0.0/16',
      '198.18.0.0/15',
      '198.51.100.0/24',
      '203.0.113.0/24',
      '224.0.0.0/3',
    ]),
    /** The only IPv6 range allocated to the internet (RFC 4291, section 2.4), */
    global6: addressList(['2000::/3']),
    /** except for these parts: Teredo, ORCHID and the like, documentation. */
    special6: addressList(['2001::/23', '2001:db8::/32', '3fff::/20']),
    /** IPv6 addresses that embed an IPv4 address, and the bit at which it begins: mapped, NAT64, 6to4. */
    embedding: [
      { list: addressList(['::ffff:0:0/96']), bit: 96 },
      { list: addressList(['64:ff9b::/96']), bit: 96 },
      { list: addressList(['2002::/16']), bit: 16 },
    ],
  }
}

/** Is this a public internet address, and not one of this machine's own? @param address without brackets */
export function isPublic(address: string): boolean {
  return isGlobal(address) && !listHas(ownAddresses(), address)
}

function isGlobal(address: string): boolean {
  known ??= makeRanges()
  const { special4, global6, special6, embedding } = known
  if (isIP(address) === 4) return !listHas(special4, address)
  if (isIP(address) !== 6) return false
  const embedded = embedding.find(({ list }) => listHas(list, address))
  if (embedded) return isGlobal(ipv4At(address, embedded.bit))
  return listHas(global6, address) && !listHas(special6, address)
}

/** 32 bits of an IPv6 address, starting at a bit that is a multiple of 16, as an IPv4 address. */
function ipv4At(address: string, bit: number): string {
  const groups = groupsOf(address)
  const halves = [groups[bit / 16] ?? 0, groups[bit / 16 + 1] ?? 0]
  return halves.flatMap((group) => [group >> 8, group & 0xff]).join('.')
}

/** The eight groups of an IPv6 address; URL normalises all its forms to one, without dots. */
function groupsOf(address: string): number[] {
  const bare = address.replace(/%.*$/, '')
  const [head = '', tail = ''] = new URL(`http://[${bare}]`).hostname.slice(1, -1).split('::')
  const read = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [read(head), read(tail)]
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
}

/** Read each time: a laptop's addresses change with its network. */
function ownAddresses(): BlockList {
  const list = new BlockList()
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((each) => each ?? []))
    list.addAddress(address.replace(/%.*$/, ''), family === 'IPv4' ? 'ipv4' : 'ipv6')
  return list
}
