import { Failure } from '../../core/failure.ts'
import { addressText, type Block, blockText, contains, lastOf, parseAddress, parseBlock, sizeOf } from './ipv4.ts'

/** Addresses of the docker network that no container has, for the Gateways. */
export interface AddressPool {
  /** Like 172.20.255.0/28. */
  readonly cidr: string
  /** Of the two Gateways. */
  readonly cache: string
  readonly scheduler: string
}

/** A docker network as `docker network inspect` shows it. */
export interface DockerNetwork {
  /** The one IPv4 subnet, like 172.20.0.0/16. */
  readonly subnet: string
  /** Addresses in use: the gateway, every container; a prefix after them is ignored. */
  readonly taken: readonly string[]
}

/** 16 addresses if possible, else fewer; two Gateways need two. */
const prefixes = [28, 29, 30, 31] as const
/** The cache's position in a pool that is large enough; the scheduler's is the next. */
const usualPlace = 4

/**
 * Chooses a block inside the subnet that holds neither a taken address nor the network's own first and last. Docker
 * gives addresses in ascending order, so blocks are tried from the end: in a network larger than a /24 first those of
 * the last 256 addresses, ascending (a /16 thus gives x.y.255.0/28), then all, descending.
 * @throws Failure 'invalid' for an invalid network, 'exhausted' when no block is free
 */
export function chooseAddressPool(network: DockerNetwork): AddressPool {
  const subnet = parseBlock(network.subnet)
  const taken = [
    subnet.first,
    lastOf(subnet),
    ...network.taken.map((each) => parseAddress(each.split('/', 1)[0] ?? '')),
  ]
  for (const prefix of prefixes) {
    const found = firstFree(subnet, prefix, taken)
    if (found) return poolOf(found)
  }
  throw new Failure('exhausted', `no block of addresses is free in the docker network ${blockText(subnet)}`, {
    where: blockText(subnet),
    next: ['Use a larger network: `docker network create --subnet 172.30.0.0/16 NAME`.'],
  })
}

/** The pool that a user specifies. @throws Failure 'invalid' when it overlaps a taken address or leaves the subnet */
export function checkedAddressPool(cidr: string, network: DockerNetwork): AddressPool {
  const block = parseBlock(cidr)
  const subnet = parseBlock(network.subnet)
  const where = blockText(block)
  if (sizeOf(block) < 2) throw new Failure('invalid', 'a pool needs two addresses, one for each Gateway', { where })
  if (block.prefix < subnet.prefix || !contains(subnet, block.first))
    throw new Failure('invalid', `the pool is not inside the docker network ${blockText(subnet)}`, { where })
  const clash = network.taken.find((each) => contains(block, parseAddress(each.split('/', 1)[0] ?? '')))
  if (clash !== undefined)
    throw new Failure('invalid', `the pool overlaps ${clash.split('/', 1)[0]}, which a container or the gateway has`, {
      where,
      next: [`${chooseAddressPool(network).cidr} is free.`],
    })
  return poolOf(block)
}

/** Every taken address rules out one block, so the search ends after one more block than there are taken addresses. */
function firstFree(subnet: Block, prefix: number, taken: readonly number[]): Block | undefined {
  if (prefix <= subnet.prefix) return undefined
  for (const block of candidates(subnet, prefix)) if (!taken.some((address) => contains(block, address))) return block
  return undefined
}

function* candidates(subnet: Block, prefix: number): Generator<Block> {
  const step = 2 ** (32 - prefix)
  const last = lastOf(subnet)
  if (subnet.prefix < 24) for (let first = last - 255; first < last; first += step) yield { first, prefix }
  for (let first = last + 1 - step; first >= subnet.first; first -= step) yield { first, prefix }
}

function poolOf(block: Block): AddressPool {
  const place = sizeOf(block) > usualPlace + 1 ? usualPlace : 0
  return {
    cidr: blockText(block),
    cache: addressText(block.first + place),
    scheduler: addressText(block.first + place + 1),
  }
}
