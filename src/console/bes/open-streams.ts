import { Code, RpcError } from '../../wire/rpc.ts'

/** A call's place among those that are open. */
export interface Place {
  readonly stream: string
  /** Waits, as long as the call keeps its place: fails when another has taken it, with a status at which clients come again. */
  wait<T>(work: Promise<T>): Promise<T>
  /** Something has come. */
  touch(): void
  leave(): void
}

/** Calls at once; a further one takes the place of the one of which nothing has been heard for longest. */
const openMax = 500

/** The calls that tell of builds: one for each stream, and not too many. */
export function createOpenStreams(): { enter(stream: string): Place } {
  /** By stream, the one heard of last at the end. */
  const open = new Map<string, { end(why: RpcError): void }>()

  return {
    enter(stream) {
      // A client that has come again does not wait until its old connection is found to be broken.
      open.get(stream)?.end(new RpcError(Code.ABORTED, 'another call tells of this stream now'))
      open.delete(stream)
      const [quietest] = open
      if (quietest && open.size >= openMax) {
        quietest[1].end(new RpcError(Code.UNAVAILABLE, `others tell of more than ${openMax} builds at once`))
        open.delete(quietest[0])
      }
      let over: RpcError | undefined
      // One promise for each wait: a single one for all would keep what hangs on it for as long as the call.
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
