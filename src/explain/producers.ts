import type { ActionRecord, LocalHistory } from '../core/build-history.ts'

/** The action that made a path as read by this one: of its own build, or else the latest one before. */
export type ProducerOf = (path: string, reader: ActionRecord) => Promise<ActionRecord | undefined>

/** Paths whose producers are cached. */
const producersMax = 200_000

/** Looks each path of a build up once. */
export function createProducers(history: Pick<LocalHistory, 'producers'>): ProducerOf {
  const producers = new Map<string, Promise<ActionRecord | undefined>>()

  async function find(path: string, reader: ActionRecord): Promise<ActionRecord | undefined> {
    const [own] = await history.producers({ path, build: reader.build, limit: 1 })
    if (own) return own
    const [last] = await history.producers({ path, before: reader.firstSeen, limit: 1 })
    return last
  }

  return (path, reader) => {
    const key = `${reader.build} ${path}`
    const known = producers.get(key)
    if (known) return known
    const found = find(path, reader)
    if (producers.size >= producersMax) producers.clear()
    producers.set(key, found)
    return found
  }
}
