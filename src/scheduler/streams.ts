import { createHistory } from './history.ts'
import { createOutput, type Output } from './output.ts'
import { streamName } from './task.ts'

/** The output of running and recently ended actions, by ByteStream resource name. */
export interface Streams {
  get(name: string): Output | undefined
  /** Opens both streams of an attempt. */
  open(lease: string): { readonly stdout: Output; readonly stderr: Output }
  /** The attempt is over: its streams stay readable for a while. */
  ended(lease: string): void
  /** Forgets those that ended long enough ago. */
  expire(): void
}

/** Ended streams: their followers need a moment to read the rest. */
const endedBounds = { countMax: 2_000, bytesMax: 32 * 1024 * 1024, ageMsMax: 60_000 }
/** Measured heap overhead of an entry in addition to its bytes. */
const entryBytes = 1.5 * 1024

export function createStreams(now: () => number): Streams {
  const byName = new Map<string, Output>()
  const history = createHistory<string>(endedBounds, now, (name) => byName.delete(name))

  function begin(name: string): Output {
    const output = createOutput()
    byName.set(name, output)
    return output
  }

  return {
    get: (name) => byName.get(name),
    open: (lease) => ({ stdout: begin(streamName(lease, 'stdout')), stderr: begin(streamName(lease, 'stderr')) }),
    ended(lease) {
      for (const which of ['stdout', 'stderr'] as const) {
        const name = streamName(lease, which)
        history.add(name, entryBytes + (byName.get(name)?.kept ?? 0))
      }
    },
    expire: () => history.expire(),
  }
}
