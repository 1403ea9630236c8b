import type { Clock } from '../core/clock.ts'
import { Stalled } from '../wire/rpc.ts'

/** A client that takes nothing of a blob for so long, in milliseconds, makes way when others need what its read holds. */
const stalledMsMin = 10_000

/** A large blob that is being read: it holds an open file, and the room of the blob if that is evicted meanwhile. */
export interface OpenRead {
  /** Waits until the client has taken a piece. @throws Stalled when others needed the room first */
  taken(wait: Promise<void>): Promise<void>
  /** The read holds nothing any more. */
  end(): void
}

/** All large blobs that are being read. */
export interface Reads {
  open(): OpenRead
  /** Ends the reads whose clients have taken nothing for 10 s; settles with their number once what they held is free. */
  endStalled(): Promise<number>
}

interface Waiting {
  readonly since: number
  readonly stall: (error: Stalled) => void
  readonly ended: Promise<void>
}

export function createReads(clock: Clock): Reads {
  const waiting = new Map<OpenRead, Waiting>()

  function open(): OpenRead {
    const ended = Promise.withResolvers<void>()
    const read: OpenRead = {
      async taken(wait) {
        const stalled = Promise.withResolvers<never>()
        waiting.set(read, { since: clock.now(), stall: stalled.reject, ended: ended.promise })
        try {
          await Promise.race([wait, stalled.promise])
        } finally {
          waiting.delete(read)
        }
      },
      end: ended.resolve,
    }
    return read
  }

  async function endStalled(): Promise<number> {
    const before = clock.now() - stalledMsMin
    const stalled = [...waiting.values()].filter(({ since }) => since <= before)
    for (const { stall } of stalled)
      stall(new Stalled(`the client read nothing for ${stalledMsMin} ms while others needed the memory`))
    await Promise.all(stalled.map(({ ended }) => ended))
    return stalled.length
  }

  return { open, endStalled }
}
