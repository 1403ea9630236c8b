/**
 * What all connections of a server get done in one turn of the event loop, in units: a frame, a
 * message or two kibibytes are one, a stream that begins is eight. It is some ninety small calls, or
 * nearly 2 MB of uploads: a millisecond or a few.
 */
export const turnUnits = 1024
/** What one address gets done before it is another's turn, and one connection of those that have had a turn. */
export const sliceUnits = 256
/** What a connection gets done that has just come to wait: a few calls, as most clients have them. */
export const freshUnits = 32
/** What a stream that begins counts: it becomes a call. */
export const streamUnits = 8
/** What all connections may hold back together; what comes beyond that is done at once, as memory is dearer than order. */
export const heldBytesMax = 128 * 1024 * 1024

/** A connection of which more has come than could be done. */
export interface Waiting {
  /** The client's, without its port. */
  readonly address: string
  /** Something waits that may be done. */
  readonly waits: boolean
  /** Does about so many units of what waits. @returns how many it did */
  turn(unitsMax: number): number
  /** Reads on, after it was told to rest. */
  readOn(): void
}

/** The connections of one address. */
interface Line {
  /** Those that have not had a turn since they began to wait, and those that have. */
  readonly fresh: Set<Waiting>
  readonly others: Set<Waiting>
  /** Units that the first have had before the others had as many. */
  ahead: number
}

/**
 * Whose bytes are parsed next, and whose calls begun. A connection may do all of a turn's units
 * where nobody else does anything; what comes beyond waits. Those that wait are served address
 * by address. Among the connections of one address those that have just come to wait get a
 * little before the others get more, but no more in all than those do: a client with one call passes one
 * with 20,000, and nobody is passed by for ever. It is deficit round robin with a list for newcomers, as FQ-CoDel
 * (RFC 8290) has it, on two levels.
 */
export class Turns {
  readonly #lines = new Map<string, Line>()
  /** Those that read nothing more in this turn of the event loop. */
  readonly #resting = new Set<Waiting>()
  #waiting = 0
  #number = 0
  #left = turnUnits
  #heldBytes = 0
  #scheduled = false
  readonly #next = () => this.#run()

  /** How many turns of the event loop there were in which something was done. */
  get number(): number {
    return this.#number
  }

  /** Units that are left of this turn of the event loop. */
  get left(): number {
    return Math.max(this.#left, 0)
  }

  /** Counts units that were done out of turn, as bytes came. */
  spend(units: number): void {
    this.#left -= units
    this.#schedule()
  }

  /** A connection has read its part, and reads on in the next turn of the event loop: what it would read stays with the system. */
  rest(connection: Waiting): void {
    this.#resting.add(connection)
    this.#schedule()
  }

  /** Is there memory for so many bytes more that have to wait? */
  mayHold(bytes: number): boolean {
    return this.#heldBytes + bytes <= heldBytesMax
  }

  /** Counts bytes that wait, until they are released. */
  hold(bytes: number): void {
    this.#heldBytes += bytes
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }

  /** A connection wants its turn; nothing changes for one that waits already. */
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

  /** A connection wants no turn any more. */
  leave(connection: Waiting): void {
    this.#resting.delete(connection)
    const line = this.#lines.get(connection.address)
    if (!line || !(line.fresh.delete(connection) || line.others.delete(connection))) return
    this.#waiting -= 1
    if (line.fresh.size + line.others.size === 0) this.#lines.delete(connection.address)
  }

  /** After whatever the system had to tell: once in each turn of the event loop. */
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
