import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { createIdleTools, type PoolLimits } from './idle-tools.ts'
import type { Plan } from './plan.ts'
import type { PooledTool } from './pooled-tool.ts'
import { createSharedTools } from './shared-tools.ts'
import { createToolCounts } from './tool-counts.ts'

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
  const all = new Set<PooledTool>()
  const counts = createToolCounts()
  const idle = createIdleTools(limits, clock, (pooled) => void end(pooled).catch(onError))
  const isUsable = (pooled: PooledTool) => all.has(pooled) && pooled.process?.usable !== false
  const shared = createSharedTools(makeNew, (pooled) => (isUsable(pooled) ? takeKnown(pooled) : undefined))
  let closed = false

  async function end(pooled: PooledTool): Promise<void> {
    idle.remove(pooled)
    shared.remove(pooled)
    const isFirst = all.delete(pooled)
    try {
      await pooled.stop()
    } finally {
      if (isFirst) counts.drop(pooled.key)
    }
    // Other actions that it was serving still have their inputs in there.
    if (pooled.users === 0) await pooled.remove()
  }

  function given(pooled: PooledTool): PooledTool {
    pooled.takes += 1
    pooled.users += 1
    return pooled
  }

  async function makeNew(plan: Plan): Promise<PooledTool> {
    if (closed) throw new Failure('unavailable', 'the worker is closing')
    counts.add(plan.key)
    try {
      const pooled = await make(plan)
      all.add(pooled)
      return given(pooled)
    } catch (error) {
      counts.drop(plan.key)
      throw error
    }
  }

  function takeKnown(pooled: PooledTool): PooledTool {
    idle.remove(pooled)
    return given(pooled)
  }

  /** A tool that has just answered is free in a moment, so no further process is started meanwhile. */
  async function takeSingle(plan: Plan, fresh: boolean, signal: AbortSignal): Promise<PooledTool> {
    for (;;) {
      const free = idle.latest(plan.key)
      if (free && !isUsable(free)) {
        // It has died meanwhile.
        await end(free)
        continue
      }
      if (free && !fresh) return takeKnown(free)
      if (fresh || counts.of(plan.key) < limits.perKeyMax) return makeNew(plan)
      await counts.freed(plan.key, signal)
    }
  }

  return {
    get size() {
      return all.size
    },
    async take(plan, fresh, signal) {
      return await (plan.multiplex ? shared.take(plan, fresh) : takeSingle(plan, fresh, signal))
    },
    async giveBack(pooled, usable) {
      pooled.users -= 1
      if (!usable || closed || shared.isSpare(pooled) || !isUsable(pooled)) await end(pooled)
      else if (pooled.users === 0) {
        shared.share(pooled)
        idle.add(pooled)
        counts.wake(pooled.key)
        for (let oldest = idle.excess(); oldest; oldest = idle.excess()) await end(oldest)
      }
    },
    async close() {
      closed = true
      await Promise.all([...all].map(end))
    },
  }
}
