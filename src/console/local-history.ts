import { setImmediate } from 'node:timers/promises'
import { differentAction } from '../client/different-action.ts'
import type { EarlierAction, LocalHistory } from '../core/build-history.ts'
import { type Digest, digestKey } from '../core/digest.ts'
import type { InvocationHistory } from '../core/invocation.ts'
import type { History } from './history.ts'
import type { Reader } from './reader.ts'

/** The history for callers in this process, without a network between. Errors are those of History.use. */
export function localHistory(history: History, reader: Pick<Reader, 'fetch'>): LocalHistory & InvocationHistory {
  async function blobs(digests: readonly Digest[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = history.use((tables) => tables.blobs.getAll(digests))
    const absent = digests.filter((digest) => !found.has(digestKey(digest)))
    if (absent.length > 0) for (const [key, bytes] of await reader.fetch(absent)) found.set(key, bytes)
    return found
  }

  async function comparable(rows: readonly number[], build?: string): Promise<Map<number, readonly EarlierAction[]>> {
    const all = new Map<number, readonly EarlierAction[]>()
    for (let left = rows; left.length > 0; ) {
      if (left !== rows) await setImmediate()
      const looked = history.use(({ queries }) => queries.comparable(left, build))
      for (const [row, found] of looked.found) all.set(row, found)
      left = looked.left
    }
    return all
  }

  return {
    builds: async (query) => history.use(({ queries }) => queries.builds(query)),
    actions: async (query) => history.use(({ queries }) => queries.actions(query)),
    marks: async (query) => history.use(({ queries }) => queries.marks(query)),
    records: async (rows) => history.use(({ queries }) => queries.records(rows)),
    earlier: async (row, limit) => history.use(({ queries }) => queries.earlier(row, limit)),
    comparable,
    producers: async (query) => history.use(({ queries }) => queries.producers(query)),
    outputs: async (rows) => history.use(({ queries }) => queries.outputs(rows)),
    invocation: async (build) => history.use(({ invocation }) => invocation(build)),
    repeats: async (build, limit) =>
      history.use(({ repeats }) => Array.from(repeats.list(build, { limit, skip: 0 }), differentAction)),
    log: async (build, of, row, at) => history.use(({ log }) => log(build, of, row, at)),
    answers: async (builds) => history.use(({ queries }) => queries.answers(builds)),
    revision: () => history.use(({ queries }) => queries.revision()),
    learningSince: () => history.use(({ unread }) => unread.waitingSince()),
    blob: async (digest) => (await blobs([digest])).get(digestKey(digest)),
    blobs,
  }
}
