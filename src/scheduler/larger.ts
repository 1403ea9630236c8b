import { limitsIn } from '../core/limit-properties.ts'
import { sizeText } from '../core/units.ts'
import { matches, type Offer, type Platform, platformOf } from './match.ts'
import type { Task } from './task.ts'

/**
 * What an action asks for that was killed at a memory limit: twice as much, or the most that there is. undefined where
 * no worker would let it have more, which includes an action that asks for an amount of its own: that is its limit
 * everywhere.
 * @param limit in bytes
 */
export function largerPlatform(platform: Platform, offers: readonly Offer[], limit: number): Platform | undefined {
  if (memoryOf(platform) !== undefined) return undefined
  const able = offers.filter((offer) => matches(platform, offer))
  const most = Math.max(0, ...able.map(({ limits }) => limits.memory ?? 0))
  if (most <= limit) return undefined
  const memory = { name: 'memory', value: String(Math.min(2 * limit, most)) }
  return platformOf([...platform.properties, memory])
}

/** Why a task runs a second time, for people: the end of a sentence about its run; undefined for its first run. */
export function largerText({ killed, platform }: Pick<Task, 'killed' | 'platform'>): string | undefined {
  if (!killed) return undefined
  const { worker, limit } = killed
  const memory = sizeText(memoryOf(platform) ?? 0)
  return `a second time, where an action may have at least ${memory}: ${worker} killed it for more than ${sizeText(limit)} of memory`
}

function memoryOf({ properties }: Platform): number | undefined {
  return limitsIn(properties).memory
}
