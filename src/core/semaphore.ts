/** Limits how much work runs at once; the rest waits, first come, first served. */
export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>

/** @param atOnceMax concurrent pieces of work */
export function createSemaphore(atOnceMax: number): Semaphore {
  const places = createPlaces(atOnceMax)
  return (work) =>
    places.tryEnter() ? settled(work, places.leave) : places.enter().then(() => settled(work, places.leave))
}

/**
 * The same for work of several clients, so that one whose work never ends does not block the others. Those that wait
 * take turns, one piece each: a client with much to do does not go before one with little.
 */
export type SharedSemaphore = <T>(client: string, work: () => Promise<T>) => Promise<T>

interface Client {
  taken: number
  readonly queue: (() => void)[]
}

/**
 * @param allMax concurrent pieces of work
 * @param clientMax the same for one client
 */
export function createSharedSemaphore(allMax: number, clientMax: number): SharedSemaphore {
  const clients = new Map<string, Client>()
  /** Clients that may start another piece as soon as there is a slot, in turn order. */
  const turns = new Set<Client>()
  let taken = 0

  function take(client: Client): void {
    taken += 1
    client.taken += 1
  }

  function awaitTurn(client: Client): void {
    if (client.queue.length > 0 && client.taken < clientMax) turns.add(client)
  }

  function leave(name: string, client: Client): void {
    taken -= 1
    client.taken -= 1
    awaitTurn(client)
    if (client.taken === 0 && client.queue.length === 0) clients.delete(name)
    const [next] = taken < allMax ? turns : []
    const begin = next?.queue.shift()
    if (!next || !begin) return
    turns.delete(next)
    take(next)
    awaitTurn(next)
    begin()
  }

  return (name, work) => {
    const client = clients.get(name) ?? { taken: 0, queue: [] }
    clients.set(name, client)
    const run = () => settled(work, () => leave(name, client))
    if (taken < allMax && client.taken < clientMax) {
      take(client)
      return run()
    }
    const place = new Promise<void>((resolve) => client.queue.push(resolve))
    awaitTurn(client)
    return place.then(run)
  }
}

interface Places {
  /** False if all slots are taken. */
  tryEnter(): boolean
  /** Resolves with a slot; for callers whose tryEnter failed. */
  enter(): Promise<void>
  leave(): void
}

function createPlaces(max: number): Places {
  const waiting: (() => void)[] = []
  let taken = 0
  return {
    tryEnter() {
      if (taken >= max) return false
      taken += 1
      return true
    },
    enter: () => new Promise((resolve) => waiting.push(resolve)),
    leave() {
      // The slot goes directly to the next one, so that nobody can slip in between.
      const next = waiting.shift()
      if (next) next()
      else taken -= 1
    },
  }
}

/** Leaves before the caller learns the outcome. Not an async function: it is on the path of every action result. */
function settled<T>(work: () => Promise<T>, leave: () => void): Promise<T> {
  let outcome: Promise<T>
  try {
    outcome = work()
  } catch (error) {
    leave()
    return Promise.reject(error)
  }
  outcome.then(leave, leave)
  return outcome
}
