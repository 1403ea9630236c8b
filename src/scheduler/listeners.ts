import { Code, RpcError } from '../wire/rpc.ts'
import type { SchedulerContext } from './context.ts'
import type { Operation } from './operation.ts'
import { isQueued, type Task } from './task.ts'
import type { Tasks } from './tasks.ts'

/**
 * Counts a call that follows the operation, until the returned function is called. When the last one has gone, the
 * signals of those calls say whether their clients may come back.
 */
export type Listen = (operation: Operation, signal: AbortSignal) => () => void

/** Cancels actions that nobody has listened to for too long. */
export function createListeners(context: SchedulerContext, tasks: Tasks): Listen {
  const { clock } = context

  function abandon(task: Task): void {
    for (const operation of [...task.operations]) tasks.cancel(operation, 'no client wants it any more')
  }

  function setUnwanted(task: Task, unwanted: boolean): void {
    tasks.dispatch.reorder(task, () => {
      task.unwanted = unwanted
    })
  }

  return (operation, signal) => {
    const task = tasks.registry.find(operation.name)?.task
    if (!task) return () => undefined
    task.listeners += 1
    task.keep()
    if (task.unwanted) setUnwanted(task, false)
    return () => {
      task.listeners -= 1
      if (task.operations.size === 0) return
      task.wantedUntil = Math.max(task.wantedUntil, clock.now() + patienceMs(context, task, signal))
      if (task.listeners > 0) return
      const ms = task.wantedUntil - clock.now()
      if (ms <= 0) return abandon(task)
      setUnwanted(task, true)
      task.keep = clock.after(ms, () => abandon(task))
    }
  }
}

/**
 * How long an action continues for a client that has left. One that cancelled does not come back, but may well start
 * the same build again: what is already running is kept for a moment.
 */
function patienceMs({ cancelledMs, lostMs }: SchedulerContext, task: Task, { aborted, reason }: AbortSignal): number {
  const cancelled = aborted && reason instanceof RpcError && reason.code === Code.CANCELLED
  if (!cancelled) return lostMs
  return isQueued(task) ? 0 : cancelledMs
}
