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

/** The same for work of several clients, so that one whose work never ends does not hold up the others. */
export type SharedGate = <T>(client: string, work: () => Promise<T>) => Promise<T>

/**
 * @param allMax pieces of work at once
 * @param clientMax the same of one client
 */
export function createSharedGate(allMax: number, clientMax: number): SharedGate {
  const all = createGate(allMax)
  const clients = new Map<string, { readonly gate: Gate; users: number }>()
  return async (client, work) => {
    const own = clients.get(client) ?? { gate: createGate(clientMax), users: 0 }
    clients.set(client, own)
    own.users += 1
    try {
      return await own.gate(() => all(work))
    } finally {
      own.users -= 1
      if (own.users === 0) clients.delete(client)
    }
  }
}
