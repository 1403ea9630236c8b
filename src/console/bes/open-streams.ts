import { Code, RpcError } from '../../wire/rpc.ts'

/** A call's slot among the open ones. */
export interface Place {
  readonly stream: string
  /**
   * Waits as long as the call holds its slot: rejects when another call has taken it, with a status that clients retry.
   */
  wait<T>(work: Promise<T>): Promise<T>
  /** Notes activity. */
  touch(): void
  leave(): void
}

/** Concurrent calls; a further one takes the slot of the one that has been silent for longest. */
const openMax = 500

/** The calls that report builds: one per stream, and a limited number. */
export function createOpenStreams(): { enter(stream: string): Place } {
  /** By stream, the most recently active at the end. */
  const open = new Map<string, { end(why: RpcError): void }>()

  return {
    enter(stream) {
      // A client that reconnects does not have to wait until its old connection is found to be broken.
      open.get(stream)?.end(new RpcError(Code.ABORTED, 'another call tells of this stream now'))
      open.delete(stream)
      const [quietest] = open
      if (quietest && open.size >= openMax) {
        quietest[1].end(new RpcError(Code.UNAVAILABLE, `others tell of more than ${openMax} builds at once`))
        open.delete(quietest[0])
      }
      let over: RpcError | undefined
      // A new promise for each wait: a single one would retain all that is chained to it for as long as the call lasts.
      let stopWaiting: ((why: RpcError) => void) | undefined
      const own = {
        end(why: RpcError) {
          over = why
          stopWaiting?.(why)
        },
      }
      open.set(stream, own)
      return {
        stream,
        wait(work) {
          return new Promise((resolve, reject) => {
            stopWaiting = reject
            work.then(resolve, reject)
            if (over) reject(over)
          })
        },
        touch() {
          if (open.get(stream) !== own) return
          open.delete(stream)
          open.set(stream, own)
        },
        leave() {
          if (open.get(stream) === own) open.delete(stream)
        },
      }
    },
  }
}
