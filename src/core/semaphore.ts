/** Lets so much work run at once; the rest waits its turn, first come, first served. */
export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>

/** @param atOnceMax pieces of work */
export function createSemaphore(atOnceMax: number): Semaphore {
  const places = createPlaces(atOnceMax)
  return (work) =>
    places.tryEnter() ? settled(work, places.leave) : places.enter().then(() => settled(work, places.leave))
}

/**
 * The same for work of several clients, so that one whose work never ends does not hold up the others. Those that
 * wait take turns, a piece each: who has much to do does not stand before who has little.
 */
export type SharedSemaphore = <T>(client: string, work: () => Promise<T>) => Promise<T>

interface Client {
  taken: number
  readonly queue: (() => void)[]
}

/**
 * @param allMax pieces of work at once
 * @param clientMax the same of one client
 */
export function createSharedSemaphore(allMax: number, clientMax: number): SharedSemaphore {
  const clients = new Map<string, Client>()
  /** Those that may begin another piece as soon as there is a place, in the order of their turns. */
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
  /** False when all are taken. */
  tryEnter(): boolean
  /** Settles with a place; for callers that could not enter at once. */
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
      // The next one takes the place over, so that nobody can slip in between.
      const next = waiting.shift()
      if (next) next()
      else taken -= 1
    },
  }
}

/** Leaves before anybody hears how the work ended. No async function: this is on the way of every action result. */
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
