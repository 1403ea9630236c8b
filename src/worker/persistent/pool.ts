import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import type { Plan } from './plan.ts'
import type { Seat } from './seat.ts'

/** How long idle tools are kept, and how many. */
export interface PoolLimits {
  readonly idleMs: number
  readonly idleMax: number
  /** The memory that all idle tools may take together. */
  readonly idleMemoryBytes: number
}

export interface PoolOptions extends PoolLimits {
  /** Processes that do the same: as many as actions run at once. */
  readonly perKeyMax: number
}

/** The persistent tools of one worker. */
export interface Pool {
  /** Processes that are there. */
  readonly size: number
  /**
   * @param fresh always a new one, which no other action gets meanwhile
   * @throws the signal's reason while it waits for one to be free; else as `make` does
   */
  take(plan: Plan, fresh: boolean, signal: AbortSignal): Promise<Seat>
  /** @param usable false ends it */
  giveBack(seat: Seat, usable: boolean): Promise<void>
  /** Ends all. */
  close(): Promise<void>
}

/** One that several actions use at once. */
interface Sharing {
  readonly making: Promise<Seat>
  seat?: Seat
}

/**
 * @param make makes the seat of a new tool
 * @param onError called with the reason when an idle tool could not be ended
 */
export function createPool(
  limits: PoolOptions,
  clock: Clock,
  make: (plan: Plan) => Promise<Seat>,
  onError: (error: unknown) => void,
): Pool {
  /** The one that has been idle longest comes first. */
  const idle = new Map<Seat, () => void>()
  const all = new Set<Seat>()
  /** Those that serve several actions at once. */
  const shared = new Map<string, Sharing>()
  /** Those that could, and serve one action alone. */
  const alone = new Set<Seat>()
  /** Seats of each key, those that are being made with them, and who waits for one to be free. */
  const counts = new Map<string, number>()
  const waiters = new Map<string, Set<() => void>>()
  let closed = false

  const count = (key: string, by: 1 | -1) => {
    const left = (counts.get(key) ?? 0) + by
    if (left > 0) counts.set(key, left)
    else counts.delete(key)
  }
  const wake = (key: string) => {
    for (const each of waiters.get(key) ?? []) each()
    waiters.delete(key)
  }

  const notIdle = (seat: Seat) => {
    idle.get(seat)?.()
    idle.delete(seat)
  }
  const end = async (seat: Seat): Promise<void> => {
    notIdle(seat)
    alone.delete(seat)
    const isFirst = all.delete(seat)
    if (shared.get(seat.key)?.seat === seat) shared.delete(seat.key)
    try {
      await seat.stop()
    } finally {
      if (isFirst) count(seat.key, -1)
      if (isFirst) wake(seat.key)
    }
    // Actions that it was to do at the same time still have their inputs in there.
    if (seat.users === 0) await seat.remove()
  }
  const given = (seat: Seat): Seat => {
    seat.takes += 1
    seat.users += 1
    return seat
  }
  const makeNew = async (plan: Plan): Promise<Seat> => {
    if (closed) throw new Failure('unavailable', 'the worker is closing')
    count(plan.key, 1)
    try {
      const seat = await make(plan)
      all.add(seat)
      return given(seat)
    } catch (error) {
      count(plan.key, -1)
      wake(plan.key)
      throw error
    }
  }
  const isUsable = (seat: Seat) => all.has(seat) && seat.process?.usable !== false
  const takeKnown = (seat: Seat): Seat => {
    notIdle(seat)
    return given(seat)
  }
  const share = async (plan: Plan): Promise<Seat> => {
    const sharing: Sharing = { making: makeNew(plan) }
    shared.set(plan.key, sharing)
    try {
      sharing.seat = await sharing.making
      return sharing.seat
    } catch (error) {
      if (shared.get(plan.key) === sharing) shared.delete(plan.key)
      throw error
    }
  }
  const takeShared = async (plan: Plan, fresh: boolean): Promise<Seat> => {
    if (fresh) {
      const seat = await makeNew(plan)
      alone.add(seat)
      return seat
    }
    const known = shared.get(plan.key)
    if (!known) return share(plan)
    const seat = await known.making.catch(() => undefined)
    if (seat && isUsable(seat)) return takeKnown(seat)
    if (shared.get(plan.key) === known) shared.delete(plan.key)
    return takeShared(plan, false)
  }
  const freed = async (key: string, signal: AbortSignal): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => reject(signal.reason)
    signal.throwIfAborted()
    const waiting = waiters.get(key) ?? new Set()
    waiters.set(key, waiting.add(resolve))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      waiting.delete(resolve)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** What has just answered is free in a moment: no further process is started meanwhile. */
  const takeSingle = async (plan: Plan, fresh: boolean, signal: AbortSignal): Promise<Seat> => {
    for (;;) {
      const free = [...idle.keys()].findLast((seat) => seat.key === plan.key)
      if (free && !isUsable(free)) {
        // It has died meanwhile.
        await end(free)
        continue
      }
      if (free && !fresh) return takeKnown(free)
      if (fresh || (counts.get(plan.key) ?? 0) < limits.perKeyMax) return makeNew(plan)
      await freed(plan.key, signal)
    }
  }

  /** Ends idle tools, those that have been idle longest first. */
  const makeRoom = async (): Promise<void> => {
    for (;;) {
      const [oldest] = idle.keys()
      const bytes = [...idle.keys()].reduce((sum, seat) => sum + (seat.process?.memory() ?? 0), 0)
      if (!oldest || (idle.size <= limits.idleMax && bytes <= limits.idleMemoryBytes)) return
      await end(oldest)
    }
  }
  return {
    get size() {
      return all.size
    },
    async take(plan, fresh, signal) {
      return await (plan.multiplex ? takeShared(plan, fresh) : takeSingle(plan, fresh, signal))
    },
    async giveBack(seat, usable) {
      seat.users -= 1
      // One is enough for all that can share it.
      const isSpare = alone.has(seat) && shared.has(seat.key)
      if (!usable || closed || isSpare || !isUsable(seat)) await end(seat)
      else if (seat.users === 0) {
        if (alone.delete(seat)) shared.set(seat.key, { making: Promise.resolve(seat), seat })
        const cancel = clock.after(limits.idleMs, () => void end(seat).catch(onError))
        idle.set(seat, cancel)
        wake(seat.key)
        await makeRoom()
      }
    },
    async close() {
      closed = true
      await Promise.all([...all].map(end))
    },
  }
}
