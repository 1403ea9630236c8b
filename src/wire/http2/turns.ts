/**
 * Units of work for all connections of a server in one turn of the event loop: a frame, a message or two kibibytes
 * count one, a new stream counts eight. That is some ninety small calls, or nearly 2 MB of uploads: one to a few
 * milliseconds.
 */
export const turnUnits = 1024
/** Units for one address before it is another's turn, and for one connection that has had a turn before. */
export const sliceUnits = 256
/** Units for a connection that has just begun to wait: a few calls, as most clients make. */
export const freshUnits = 32
/** Units of a new stream: it becomes a call. */
export const streamUnits = 8
/** Bytes that may wait on all connections together. Any excess is processed at once: memory matters more than order. */
export const heldBytesMax = 128 * 1024 * 1024

/** A connection from which more has arrived than could be processed. */
export interface Waiting {
  /** The client's, without its port. */
  readonly address: string
  /** Something is waiting that may be processed. */
  readonly waits: boolean
  /** Processes about this many units of what waits. @returns how many it did */
  turn(unitsMax: number): number
  /** Resumes reading after a rest. */
  readOn(): void
}

/** The connections of one address. */
interface Line {
  /** Those that have not had a turn since they began to wait, and those that have. */
  readonly fresh: Set<Waiting>
  readonly others: Set<Waiting>
  /** Units that the former have had before the latter had as many. */
  ahead: number
}

/**
 * Decides whose bytes are parsed next, and whose calls are started. A connection may use all units of a turn if nobody
 * else needs any; the rest waits. Those that wait are served address by address. Among the connections of one address,
 * those that have just begun to wait get a little before the others get more, but no more in total than the others do:
 * a client with one call passes one with 20,000, and nobody is passed for ever. This is deficit round robin with a list
 * for newcomers, as in FQ-CoDel (RFC 8290), on two levels.
 */
export class Turns {
  readonly #lines = new Map<string, Line>()
  /** Those that read nothing more during this turn of the event loop. */
  readonly #resting = new Set<Waiting>()
  #waiting = 0
  #number = 0
  #left = turnUnits
  #heldBytes = 0
  #scheduled = false
  readonly #next = () => this.#run()

  /** Turns of the event loop so far in which something was done. */
  get number(): number {
    return this.#number
  }

  /** Units left in this turn of the event loop. */
  get left(): number {
    return Math.max(this.#left, 0)
  }

  /** Counts units that were done out of turn, on arrival. */
  spend(units: number): void {
    this.#left -= units
    this.#schedule()
  }

  /** A connection has used its share, and reads on in the next turn of the event loop: the system keeps its input. */
  rest(connection: Waiting): void {
    this.#resting.add(connection)
    this.#schedule()
  }

  /** May this many more bytes wait? */
  mayHold(bytes: number): boolean {
    return this.#heldBytes + bytes <= heldBytesMax
  }

  /** Counts waiting bytes, until they are released. */
  hold(bytes: number): void {
    this.#heldBytes += bytes
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }

  /** A connection wants its turn; nothing changes if it is already waiting. */
  wait(connection: Waiting): void {
    let line = this.#lines.get(connection.address)
    if (!line) {
      line = { fresh: new Set(), others: new Set(), ahead: 0 }
      this.#lines.set(connection.address, line)
    }
    if (line.fresh.has(connection) || line.others.has(connection)) return
    line.fresh.add(connection)
    this.#waiting += 1
    this.#schedule()
  }

  /** A connection no longer wants a turn. */
  leave(connection: Waiting): void {
    this.#resting.delete(connection)
    const line = this.#lines.get(connection.address)
    if (!line || !(line.fresh.delete(connection) || line.others.delete(connection))) return
    this.#waiting -= 1
    if (line.fresh.size + line.others.size === 0) this.#lines.delete(connection.address)
  }

  /** Runs once in each turn of the event loop, after all input of that turn. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#next)
  }

  #run(): void {
    this.#scheduled = false
    this.#number += 1
    this.#left = turnUnits
    const rested = [...this.#resting]
    this.#resting.clear()
    for (const each of rested) each.readOn()
    while (this.#left > 0) {
      const line = this.#nextLine()
      if (!line) return
      this.#serve(line, this.#lines.size === 1 ? this.#left : Math.min(this.#left, sliceUnits))
    }
    if (this.#waiting > 0) this.#schedule()
  }

  #serve(line: Line, unitsMax: number): void {
    for (let left = unitsMax; left > 0; ) {
      const fresh = line.fresh.size > 0 && (line.others.size === 0 || line.ahead < sliceUnits)
      const [connection] = fresh ? line.fresh : line.others
      if (!connection) return
      const usual = fresh ? freshUnits : sliceUnits
      const did = connection.turn(this.#waiting === 1 ? left : Math.min(left, usual))
      line.ahead = Math.max(0, line.ahead + (fresh ? did : -did))
      left -= did
      this.#left -= did
      this.#leaveOrStay(connection)
    }
  }

  #leaveOrStay(connection: Waiting): void {
    const line = this.#lines.get(connection.address)
    if (!line) return
    if (!connection.waits) this.leave(connection)
    // One that left in the middle of its turn has nothing to come back for.
    else if (line.fresh.delete(connection) || line.others.delete(connection)) line.others.add(connection)
  }

  /** The address that has waited longest for a turn; its next one comes after those of all others. */
  #nextLine(): Line | undefined {
    for (const [address, line] of this.#lines) {
      this.#lines.delete(address)
      this.#lines.set(address, line)
      return line
    }
    return undefined
  }
}
