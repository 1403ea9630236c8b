import type { Clock } from '../core/clock.ts'
import { wait } from '../host/wait.ts'
import { decodeMessage } from '../wire/decode.ts'
import { workerApi } from '../wire/proto.ts'
import { type Call, Code, RpcError, type Send } from '../wire/rpc.ts'
import type { Engine } from './engine.ts'
import { type Flight, flightOf, followedClients, sameFlight, type Wanted } from './flight.ts'
import { createToldRuns } from './told-runs.ts'

/** The most concurrent calls: each may hold what its client has not read yet. */
const followersMax = 32
/** The polling interval: lines sent together cost less than one by one. */
const lookMs = 100
/** After how many polls the actions in flight are counted again. */
const looksPerFlight = 10
const textLengthMax = 256

/** native.worker.v1.Status/FollowOutput: the output of actions, of all clients, some builds or a single action. */
export interface Tail {
  readonly follow: (request: Uint8Array, call: Call, send: Send) => Promise<void>
  /** Ends the calls, which never end by themselves, with UNAVAILABLE. */
  close(): void
}

export function createTail(engine: Engine, clock: Clock): Tail {
  const followers = new Set<(error: RpcError) => void>()

  async function follow(bytes: Uint8Array, call: Call, send: Send): Promise<void> {
    const { invocationPrefix, actionHash } = decodeMessage(workerApi.FollowOutputRequest, bytes)
    for (const [name, text] of Object.entries({ invocation_prefix: invocationPrefix, action_hash: actionHash }))
      if (text.length > textLengthMax)
        throw new RpcError(Code.INVALID_ARGUMENT, `${name} is longer than ${textLengthMax} characters`)
    if (followers.size >= followersMax)
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `${followers.size} clients already follow the output of actions`)
    const { promise: closed, reject } = Promise.withResolvers<never>()
    const over = new AbortController()
    followers.add(reject)
    try {
      const signal = AbortSignal.any([call.signal, over.signal])
      const following = tellRuns(engine, clock, { invocationPrefix, actionHash }, signal, (event) =>
        send(workerApi.OutputEvent.encode(event).finish()),
      )
      // A call that waits for room because its client reads nothing has to end at once, too.
      await Promise.race([following, closed])
    } finally {
      followers.delete(reject)
      over.abort()
    }
  }

  return {
    follow,
    close() {
      for (const end of followers) end(new RpcError(Code.UNAVAILABLE, 'the scheduler is shutting down'))
    },
  }
}

async function tellRuns(
  { tasks, registry }: Engine,
  clock: Clock,
  wanted: Wanted,
  signal: AbortSignal,
  tell: (event: workerApi.OutputEvent.$Properties) => void | Promise<void>,
): Promise<void> {
  const runs = createToldRuns((task) => {
    for (const client of followedClients(registry, task, wanted)) return client
    return undefined
  })
  const unwatch = tasks.watch(runs.add)
  try {
    let before: Flight | undefined
    for (const task of tasks.active) if (task.attempt) runs.add(task, task.attempt)
    for (let look = 0; !signal.aborted; look += 1) {
      if (look % looksPerFlight === 0) {
        const flight = flightOf(registry, tasks.active, wanted, runs.skipped)
        if (!before || !sameFlight(before, flight)) await tell({ run: 0, flight })
        before = flight
      }
      for (const event of runs.news()) {
        await tell(event)
        if (signal.aborted) return
      }
      await wait(lookMs, clock, signal).catch(() => undefined)
    }
  } finally {
    unwatch()
  }
}
