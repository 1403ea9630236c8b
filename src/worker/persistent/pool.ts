import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import type { Plan } from './plan.ts'
import type { PooledTool } from './pooled-tool.ts'

/** How long idle tools are kept, and how many. */
export interface PoolLimits {
  readonly idleMs: number
  readonly idleMax: number
  /** The memory that all idle tools may take together. */
  readonly idleMemoryBytes: number
}

export interface PoolOptions extends PoolLimits {
  /** Processes with the same key: as many as actions run at once. */
  readonly perKeyMax: number
}

/** The persistent tools of one worker. */
export interface Pool {
  /** Number of tool processes. */
  readonly size: number
  /**
   * @param fresh always a new tool, not shared with any other action
   * @throws the signal's reason while it waits for one to be free; else as `make` does
   */
  take(plan: Plan, fresh: boolean, signal: AbortSignal): Promise<PooledTool>
  /** @param usable false ends it */
  giveBack(pooled: PooledTool, usable: boolean): Promise<void>
  /** Ends all tools. */
  close(): Promise<void>
}

/** A tool that several actions use at once. */
interface Sharing {
  readonly making: Promise<PooledTool>
  pooled?: PooledTool
}

/**
 * @param make makes the folder of a new tool
 * @param onError called with the reason when an idle tool could not be ended
 */
export function createPool(
  limits: PoolOptions,
  clock: Clock,
  make: (plan: Plan) => Promise<PooledTool>,
  onError: (error: unknown) => void,
): Pool {
  /** Longest idle first. */
  const idle = new Map<PooledTool, () => void>()
  const all = new Set<PooledTool>()
  /** Tools that serve several actions at once. */
  const shared = new Map<string, Sharing>()
  /** Tools that could, but serve one action alone. */
  const alone = new Set<PooledTool>()
  /** For each key, its tools including those being made, and who waits for one to be free. */
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

  const notIdle = (pooled: PooledTool) => {
    idle.get(pooled)?.()
    idle.delete(pooled)
  }
  const end = async (pooled: PooledTool): Promise<void> => {
    notIdle(pooled)
    alone.delete(pooled)
    const isFirst = all.delete(pooled)
    if (shared.get(pooled.key)?.pooled === pooled) shared.delete(pooled.key)
    try {
      await pooled.stop()
    } finally {
      if (isFirst) count(pooled.key, -1)
      if (isFirst) wake(pooled.key)
    }
    // Other actions that it was serving still have their inputs in there.
    if (pooled.users === 0) await pooled.remove()
  }
  const given = (pooled: PooledTool): PooledTool => {
    pooled.takes += 1
    pooled.users += 1
    return pooled
  }
  const makeNew = async (plan: Plan): Promise<PooledTool> => {
    if (closed) throw new Failure('unavailable', 'the worker is closing')
    count(plan.key, 1)
    try {
      const pooled = await make(plan)
      all.add(pooled)
      return given(pooled)
    } catch (error) {
      count(plan.key, -1)
      wake(plan.key)
      throw error
    }
  }
  const isUsable = (pooled: PooledTool) => all.has(pooled) && pooled.process?.usable !== false
  const takeKnown = (pooled: PooledTool): PooledTool => {
    notIdle(pooled)
    return given(pooled)
  }
  const share = async (plan: Plan): Promise<PooledTool> => {
    const sharing: Sharing = { making: makeNew(plan) }
    shared.set(plan.key, sharing)
    try {
      sharing.pooled = await sharing.making
      return sharing.pooled
    } catch (error) {
      if (shared.get(plan.key) === sharing) shared.delete(plan.key)
      throw error
    }
  }
  const takeShared = async (plan: Plan, fresh: boolean): Promise<PooledTool> => {
    if (fresh) {
      const pooled = await makeNew(plan)
      alone.add(pooled)
      return pooled
    }
    const known = shared.get(plan.key)
    if (!known) return share(plan)
    const pooled = await known.making.catch(() => undefined)
    if (pooled && isUsable(pooled)) return takeKnown(pooled)
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

  /** A tool that has just answered is free in a moment, so no further process is started meanwhile. */
  const takeSingle = async (plan: Plan, fresh: boolean, signal: AbortSignal): Promise<PooledTool> => {
    for (;;) {
      const free = [...idle.keys()].findLast((pooled) => pooled.key === plan.key)
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

  /** Ends idle tools, longest idle first. */
  const makeRoom = async (): Promise<void> => {
    for (;;) {
      const [oldest] = idle.keys()
      const bytes = [...idle.keys()].reduce((sum, pooled) => sum + (pooled.process?.memory() ?? 0), 0)
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
    async giveBack(pooled, usable) {
      pooled.users -= 1
      // One is enough for all that can share it.
      const isSpare = alone.has(pooled) && shared.has(pooled.key)
      if (!usable || closed || isSpare || !isUsable(pooled)) await end(pooled)
      else if (pooled.users === 0) {
        if (alone.delete(pooled)) shared.set(pooled.key, { making: Promise.resolve(pooled), pooled })
        const cancel = clock.after(limits.idleMs, () => void end(pooled).catch(onError))
        idle.set(pooled, cancel)
        wake(pooled.key)
        await makeRoom()
      }
    },
    async close() {
      closed = true
      await Promise.all([...all].map(end))
    },
  }
}
