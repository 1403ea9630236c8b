import { createCasClient } from '../client/cas.ts'
import { forExecute } from '../wire/for-execute.ts'
import type { Channel } from '../wire/rpc.ts'
import type { SchedulerContext } from './context.ts'
import type { Registry } from './registry.ts'
import type { Task } from './task.ts'
import type { Tasks } from './tasks.ts'

/** The cache forgets a build that is silent for ten minutes, or as its configuration says. */
const everyMs = 60_000
/** More builds than the cache keeps anything for. */
const buildsMax = 64
const callMsMax = 10_000

/**
 * Tells the cache every minute of the builds whose actions wait or run here: a client that waits for one long action
 * makes no calls, and what it counts on would be kept no longer.
 * @returns to be called often: looks whether it is time
 */
export function createSignsOfLife(context: SchedulerContext, tasks: Tasks, cas: Channel): () => void {
  const { clock, log } = context
  let due = clock.now() + everyMs

  async function tell(metadata: string, { instance, digest }: Task): Promise<void> {
    const options = { instance, fn: digest.fn, clock, timeoutMs: callMsMax, attemptsMax: 1 }
    try {
      await createCasClient(cas, { ...options, metadata: forExecute(metadata) }).findMissing([digest])
    } catch (error) {
      log.debug('the cache could not be told that a build goes on', { error })
    }
  }

  return () => {
    if (clock.now() < due) return
    due = clock.now() + everyMs
    for (const [metadata, task] of buildsIn(tasks)) void tell(metadata, task)
  }
}

/** A RequestMetadata of each invocation that waits for an action, and that action. */
function buildsIn({ active, registry }: Tasks): Map<string, Task> {
  const found = new Map<string, Task>()
  const seen = new Set<string>()
  for (const task of active)
    for (const [invocation, metadata] of waitingFor(task, registry)) {
      if (invocation === '' || seen.has(invocation)) continue
      if (seen.add(invocation).size > buildsMax) return found
      found.set(metadata, task)
    }
  return found
}

/** The RequestMetadata of those who wait for a task, by invocation. */
export function waitingFor(task: Task, registry: Registry): Map<string, string> {
  const byInvocation = new Map<string, string>()
  for (const { name } of task.operations) {
    const { metadata, invocation = '' } = registry.find(name)?.client ?? {}
    if (metadata !== undefined && !byInvocation.has(invocation)) byInvocation.set(invocation, metadata)
  }
  return byInvocation
}
