import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { InputSource } from '../input-source.ts'
import type { Spawner } from '../spawner.ts'
import { expandArguments } from './arguments.ts'
import type { PoolLimits } from './idle-tools.ts'
import { type Plan, type Planned, planOf } from './plan.ts'
import { createPool } from './pool.ts'
import { makePooledTool } from './pooled-tool.ts'
import type { Tree } from './tools.ts'
import { type Worked, type WorkOptions, work } from './work.ts'

/** One action's use of a persistent tool. */
export interface ToolUse {
  /** What the action's folder has to contain: everything but the tool's own inputs. */
  readonly tree: Tree
  /** Where these inputs come from. */
  readonly source: InputSource
  /** @throws as `work` does */
  work(options: Omit<WorkOptions, 'plan' | 'pooled' | 'requestId' | 'args'>): Promise<Worked>
  /** Runs `act` on the action's folder while the tool is stopped. */
  quietly<T>(act: () => Promise<T>): Promise<T>
  /** Removes the action's folder, and hands the tool to the next action. */
  finish(root: string): Promise<void>
}

/** One worker's persistent tools, Bazel's persistent workers. */
export interface PersistentTools {
  /** Number of tool processes. */
  readonly size: number
  /**
   * A tool for an action; undefined if the action runs by itself.
   * @param fresh a tool that has not done anything yet
   * @throws as makeInputs does, of the tool's own inputs; the signal's reason
   */
  acquire(planned: Planned, fresh: boolean, signal: AbortSignal): Promise<ToolUse | undefined>
  close(): Promise<void>
}

export interface PersistentToolsOptions {
  readonly limits: PoolLimits
  /** How many actions run at once. */
  readonly slots: number
  readonly inputs: InputSource
  readonly spawner: Spawner
  readonly clock: Clock
  readonly log: Log
  /** Holds the tools' folders. */
  readonly directory: string
}

export function createPersistentTools({
  limits,
  slots,
  inputs,
  spawner,
  clock,
  log,
  directory,
}: PersistentToolsOptions): PersistentTools {
  const life = new AbortController()
  let numbers = 0
  let requests = 0
  const make = (plan: Plan) => {
    numbers += 1
    const folder = join(directory, `tool-${numbers}`)
    return makePooledTool({ plan, folder, inputs, spawner, signal: life.signal })
  }
  const onError = (error: unknown) => log.error('a persistent tool could not be ended', { error })
  const pool = createPool({ ...limits, perKeyMax: slots }, clock, make, onError)
  return {
    get size() {
      return pool.size
    },
    async acquire(planned, fresh, signal) {
      const plan = planOf(planned)
      if (!plan) return undefined
      const pooled = await pool.take(plan, fresh, signal)
      const requestId = plan.multiplex ? ++requests : 0
      let usable = true
      const quietly: ToolUse['quietly'] = (act) => (pooled.process ? pooled.process.quietly(act) : act())
      return {
        tree: plan.inputs.others,
        // A process that lives on may keep a file open or mapped, so its inputs are shared with nobody, before or
        // after.
        source: { ...inputs, links: undefined, reuse: async () => false },
        quietly,
        async work(options) {
          // Bad flag files are not the tool's fault: it has not been given the action yet.
          const args = expandArguments(plan.flags, options.root, join(options.root, ...plan.working))
          if (!args) return 'plainly'
          usable = false
          const worked = await work({ ...options, plan, pooled, requestId, args })
          usable = typeof worked === 'object' && worked.usable
          return worked
        },
        async finish(root) {
          let isKept = false
          try {
            isKept = usable && (await quietly(() => isRemoved(root)))
          } finally {
            await pool.giveBack(pooled, isKept)
            if (!isKept) inputs.remove(root)
          }
        },
      }
    },
    async close() {
      life.abort()
      await pool.close()
    },
  }
}

/**
 * A tool that can open the folder must not be able to redirect its removal, so it is removed before the tool resumes.
 */
async function isRemoved(root: string): Promise<boolean> {
  try {
    await rm(root, { recursive: true, force: true })
    return true
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}
