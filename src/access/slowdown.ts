import { isIPv6 } from 'node:net'
import { backoffMs } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { wait } from '../host/wait.ts'

/** Anybody may mistype this often; after that, attempts are slowed down. */
const freeTries = 5
const firstMs = 100
const msMax = 2_000
/** Attempts from one address that may wait their turn. */
const waitingMax = 16
/** Failures are forgotten after this long without another. */
const forgottenMs = 60_000
const addressesMax = 10_000

interface Address {
  failures: number
  lastMs: number
  waiting: number
  turn: Promise<unknown>
}

/** Slows down attempts with wrong credentials, by address. */
export interface Slowdown {
  /** Must the next attempt from this address wait? */
  isSlow(peer: string): boolean
  /** Runs an attempt when its turn comes; undefined, at once, if too many are waiting already. */
  run<T>(peer: string, attempt: () => Promise<T> | T): Promise<T> | undefined
  failed(peer: string): void
}

export function createSlowdown(clock: Clock): Slowdown {
  const addresses = new Map<string, Address>()

  function find(peer: string): Address | undefined {
    const key = addressOf(peer)
    const found = addresses.get(key)
    if (!found || found.waiting > 0 || clock.now() - found.lastMs < forgottenMs) return found
    addresses.delete(key)
    return undefined
  }

  return {
    isSlow: (peer) => (find(peer)?.failures ?? 0) >= freeTries,
    run(peer, attempt) {
      const address = find(peer)
      if (!address) return Promise.resolve().then(attempt)
      if (address.waiting >= waitingMax) return undefined
      address.waiting += 1
      const turn = address.turn
        .then(() => wait(pauseMs(address.failures), clock))
        .finally(() => {
          address.waiting -= 1
        })
        .then(attempt)
      address.turn = turn.catch(() => undefined)
      return turn
    },
    failed(peer) {
      const key = addressOf(peer)
      const address = find(peer) ?? { failures: 0, lastMs: 0, waiting: 0, turn: Promise.resolve() }
      address.failures += 1
      address.lastMs = clock.now()
      addresses.delete(key)
      addresses.set(key, address)
      const [oldest] = addresses.keys()
      if (addresses.size > addressesMax && oldest !== undefined) addresses.delete(oldest)
    },
  }
}

function pauseMs(failures: number): number {
  return failures < freeTries ? 0 : backoffMs(failures - freeTries + 1, { msMin: firstMs, msMax })
}

/** An IPv6 host controls the 2^64 addresses of its network, so these count as one. @param peer with its port */
export function addressOf(peer: string): string {
  const address = peer.slice(0, peer.lastIndexOf(':'))
  return isIPv6(address) && !address.includes('.')
    ? (address.split('::')[0] ?? '').split(':').slice(0, 4).join(':')
    : address
}
