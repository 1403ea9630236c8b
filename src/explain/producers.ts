import type { ActionRecord, LocalHistory } from '../core/build-history.ts'

/** Who made what: for a path and an action that reads it, the one of its own build, or else the latest one before. */
export interface Producers {
  of(path: string, reader: Reader): Promise<Producer>
  /** The same, if it has been found before; undefined if not. */
  known(path: string, reader: Reader): { readonly producer: Producer } | undefined
}

export type Producer = ActionRecord | undefined
type Reader = Pick<ActionRecord, 'build' | 'firstSeen'>

interface Asked {
  readonly answer: Promise<Producer>
  found?: { readonly producer: Producer }
}

/** Paths whose producers are cached. */
const producersMax = 200_000

/** Looks each path of a build up once. */
export function createProducers(history: Pick<LocalHistory, 'producers'>): Producers {
  const asked = new Map<string, Asked>()

  async function find(path: string, reader: Reader): Promise<Producer> {
    const [own] = await history.producers({ path, build: reader.build, limit: 1 })
    if (own) return own
    const [last] = await history.producers({ path, before: reader.firstSeen, limit: 1 })
    return last
  }

  function ask(path: string, reader: Reader): Asked {
    const key = keyOf(path, reader)
    const known = asked.get(key)
    if (known) return known
    const made: Asked = {
      answer: find(path, reader).then((producer) => {
        made.found = { producer }
        return producer
      }),
    }
    if (asked.size >= producersMax) asked.clear()
    asked.set(key, made)
    return made
  }

  return {
    of: (path, reader) => ask(path, reader).answer,
    known: (path, reader) => asked.get(keyOf(path, reader))?.found,
  }
}

function keyOf(path: string, { build }: Reader): string {
  return `${build} ${path}`
}
