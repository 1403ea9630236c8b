/** Lets so much work run at once; the rest waits its turn, first come, first served. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>

/** @param atOnceMax pieces of work */
export function createGate(atOnceMax: number): Gate {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      // Whoever comes next takes over the place, so that nobody can slip in between.
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
