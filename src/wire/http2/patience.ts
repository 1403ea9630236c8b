import type { Socket } from 'node:net'

/** Sweeps, every five seconds, within which a client has to complete the HTTP/2 preface, however slowly it sends. */
const prefaceSweepsMax = 2
/** Sweeps of silence after which the client is pinged, and within which it has to answer. */
const silentSweepsMax = 12
const unansweredSweepsMax = 4
/** Sweeps within which a client has to read some of what the socket holds for it. */
const stuckSweepsMax = 12

/** How long to wait for a client. Called at each sweep, every five seconds. */
export class Patience {
  readonly #socket: Socket
  #heard = true
  #silentSweeps = 0
  #pingSweeps = -1
  #prefaceSweeps = 0
  #stuckSweeps = 0
  #written = 0

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** The client has sent something. */
  heard(): void {
    this.#heard = true
  }

  /** The client has been silent for a sweep or longer. */
  get quiet(): boolean {
    return this.#silentSweeps > 0
  }

  /**
   * @param begun true once the client's preface has arrived
   * @returns 'slow' for a preface that takes too long, 'gone' for a client that neither answers nor reads, 'silent' if
   *   it should be pinged
   */
  sweep(begun: boolean): 'slow' | 'gone' | 'silent' | undefined {
    this.#silentSweeps = this.#heard ? 0 : this.#silentSweeps + 1
    this.#heard = false
    this.#pingSweeps = this.#silentSweeps < silentSweepsMax ? -1 : this.#pingSweeps + 1
    if (!begun) this.#prefaceSweeps += 1
    const stuck = this.#isStuck()
    if (this.#prefaceSweeps > prefaceSweepsMax) return 'slow'
    if (this.#pingSweeps > unansweredSweepsMax || stuck) return 'gone'
    return this.#pingSweeps === 0 ? 'silent' : undefined
  }

  /** A client that reads nothing from its connection counts as gone, whatever it still sends. */
  #isStuck(): boolean {
    const written = this.#socket.bytesWritten - this.#socket.writableLength
    const moved = written !== this.#written || this.#socket.writableLength === 0
    this.#written = written
    this.#stuckSweeps = moved ? 0 : this.#stuckSweeps + 1
    return this.#stuckSweeps > stuckSweepsMax
  }
}
