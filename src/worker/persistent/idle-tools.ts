import type { Clock } from '../../core/clock.ts'
import type { PooledTool } from './pooled-tool.ts'

/** How long idle tools are kept, and how many. */
export interface PoolLimits {
  readonly idleMs: number
  readonly idleMax: number
  /** The memory that all idle tools may take together. */
  readonly idleMemoryBytes: number
}

/** The tools that no action uses. */
export interface IdleTools {
  add(pooled: PooledTool): void
  remove(pooled: PooledTool): void
  /** The one of this key that was used last. */
  latest(key: string): PooledTool | undefined
  /** The longest idle one, if they are more, or take more memory, than the limits allow. */
  excess(): PooledTool | undefined
}

/** @param onExpired called with a tool that has been idle for too long, and is still in here */
export function createIdleTools(limits: PoolLimits, clock: Clock, onExpired: (pooled: PooledTool) => void): IdleTools {
  /** Longest idle first, each with a function that stops its timer. */
  const timers = new Map<PooledTool, () => void>()
  return {
    add(pooled) {
      timers.set(
        pooled,
        clock.after(limits.idleMs, () => onExpired(pooled)),
      )
    },
    remove(pooled) {
      timers.get(pooled)?.()
      timers.delete(pooled)
    },
    latest: (key) => [...timers.keys()].findLast((pooled) => pooled.key === key),
    excess() {
      const [oldest] = timers.keys()
      const bytes = [...timers.keys()].reduce((sum, pooled) => sum + (pooled.process?.memory() ?? 0), 0)
      return timers.size <= limits.idleMax && bytes <= limits.idleMemoryBytes ? undefined : oldest
    },
  }
}
