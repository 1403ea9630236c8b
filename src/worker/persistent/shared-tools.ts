import type { Plan } from './plan.ts'
import type { PooledTool } from './pooled-tool.ts'

/** The tools that can serve several actions at once: one for each key, and others that serve one action alone. */
export interface SharedTools {
  /** @param fresh a new one, not shared with any other action */
  take(plan: Plan, fresh: boolean): Promise<PooledTool>
  /** Can another tool do its work? One is enough for all that can share it. */
  isSpare(pooled: PooledTool): boolean
  /** No action uses it: if it has served one alone, others can share it now. */
  share(pooled: PooledTool): void
  /** It ends. */
  remove(pooled: PooledTool): void
}

interface Sharing {
  readonly making: Promise<PooledTool>
  pooled?: PooledTool
}

/**
 * @param make makes a tool for an action
 * @param reuse gives an action a tool that is there; undefined if that cannot be used any more
 */
export function createSharedTools(
  make: (plan: Plan) => Promise<PooledTool>,
  reuse: (pooled: PooledTool) => PooledTool | undefined,
): SharedTools {
  const shared = new Map<string, Sharing>()
  /** Tools that could be shared, but serve one action alone. */
  const alone = new Set<PooledTool>()

  const makeShared = async (plan: Plan): Promise<PooledTool> => {
    const sharing: Sharing = { making: make(plan) }
    shared.set(plan.key, sharing)
    try {
      sharing.pooled = await sharing.making
      return sharing.pooled
    } catch (error) {
      if (shared.get(plan.key) === sharing) shared.delete(plan.key)
      throw error
    }
  }
  const take = async (plan: Plan, fresh: boolean): Promise<PooledTool> => {
    if (fresh) {
      const pooled = await make(plan)
      alone.add(pooled)
      return pooled
    }
    const known = shared.get(plan.key)
    if (!known) return makeShared(plan)
    const made = await known.making.catch(() => undefined)
    const pooled = made && reuse(made)
    if (pooled) return pooled
    if (shared.get(plan.key) === known) shared.delete(plan.key)
    return take(plan, false)
  }
  return {
    take,
    isSpare: (pooled) => alone.has(pooled) && shared.has(pooled.key),
    share(pooled) {
      if (alone.delete(pooled)) shared.set(pooled.key, { making: Promise.resolve(pooled), pooled })
    },
    remove(pooled) {
      alone.delete(pooled)
      if (shared.get(pooled.key)?.pooled === pooled) shared.delete(pooled.key)
    },
  }
}
