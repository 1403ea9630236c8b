import type { ContentIndex, Entry } from './content-index.ts'
import type { Need } from './need.ts'

/** A file being fetched. */
export interface Fetch {
  readonly need: Need
  readonly key: string
  waiters: number
  readonly entry: Promise<Entry>
  readonly settle: (entry: Entry) => void
  readonly fail: (error: unknown) => void
}

/** The fetches in progress, each for all that wait for the same file. */
export interface OpenFetches {
  /** As ContentFetches.join. */
  join(need: Need, key: string, begun: Fetch[]): Promise<Entry>
  has(fetch: Fetch): boolean
  /** The file is in the cache. */
  arrived(fetch: Fetch, seal: Entry['seal']): void
  failed(fetch: Fetch, error: unknown): void
}

export function createOpenFetches(index: ContentIndex): OpenFetches {
  const fetches = new Map<string, Fetch>()

  const begin = (need: Need, key: string): Fetch => {
    const { promise, resolve, reject } = Promise.withResolvers<Entry>()
    // Waiters see a failure; it must not end the process before they look.
    promise.catch(() => undefined)
    const fetch = { need, key, waiters: 0, entry: promise, settle: resolve, fail: reject }
    fetches.set(key, fetch)
    return fetch
  }
  return {
    join(need, key, begun) {
      let fetch = fetches.get(key)
      if (!fetch) {
        fetch = begin(need, key)
        begun.push(fetch)
      }
      fetch.waiters += 1
      return fetch.entry
    },
    has: (fetch) => fetches.get(fetch.key) === fetch,
    arrived(fetch, seal) {
      fetches.delete(fetch.key)
      fetch.settle(index.add(fetch.need, seal, fetch.waiters))
    },
    failed(fetch, error) {
      fetches.delete(fetch.key)
      fetch.fail(error)
    },
  }
}
