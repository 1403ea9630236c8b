import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from '../telemetry/log.ts'
import type { re, workerApi } from '../wire/proto.ts'
import { statusMessage } from '../wire/status.ts'
import { type Performed, performAction } from './action.ts'
import { ActionCancelled, actionError } from './action-error.ts'
import { assignmentOf } from './assignment.ts'
import type { WorkerContext } from './worker-context.ts'

/** The actions that a scheduler has assigned over one stream, by their leases. */
export interface AssignedActions {
  /** How many are running. */
  readonly size: number
  leaseIds(): string[]
  /** Runs an action, and sends its output and its answer. */
  begin(assign: workerApi.Assign.$Properties): void
  cancel(leaseId: string, reason: string): void
  /** Kills all. Settles when nothing of them is running any more. */
  end(reason: string): Promise<void>
}

export interface AssignedActionsOptions {
  readonly context: WorkerContext
  readonly log: Log
  readonly nextNumber: () => number
  readonly send: (message: workerApi.FromWorker.$Properties) => void
  /** Bytes that are queued for the scheduler. */
  readonly queuedBytes: () => number
  /** An action has ended; its answer is sent afterwards. */
  readonly onFinished: (response: re.ExecuteResponse.$Properties) => void
  /** Its answer has been queued. */
  readonly onAnswered: () => void
}

/** While more than this is queued for the scheduler, actions' output is not streamed. */
const outputBacklogBytesMax = 4 * 1024 * 1024

export function createAssignedActions(options: AssignedActionsOptions): AssignedActions {
  const { context, log, send } = options
  const leases = new Map<string, AbortController>()
  const working = new Set<Promise<void>>()

  const perform = async (assign: workerApi.Assign.$Properties, signal: AbortSignal): Promise<Performed> => {
    const leaseId = assign.leaseId ?? ''
    try {
      return await performAction(context, {
        ...assignmentOf(assign),
        number: options.nextNumber(),
        signal,
        onStarted: () => send({ started: { leaseId } }),
        onOutput: (stream, data) => {
          if (options.queuedBytes() <= outputBacklogBytesMax)
            send({ output: { leaseId, stream: stream === 'stdout' ? 0 : 1, data } })
        },
      })
    } catch (error) {
      // The assignment itself is malformed.
      return { response: { status: statusMessage(actionError(error, signal)) }, tidy: async () => undefined }
    }
  }
  const work = async (assign: workerApi.Assign.$Properties): Promise<void> => {
    const leaseId = assign.leaseId ?? ''
    const controller = new AbortController()
    leases.set(leaseId, controller)
    const { response, killedAtMemory, tidy } = await perform(assign, controller.signal)
    leases.delete(leaseId)
    options.onFinished(response)
    send({ finished: { leaseId, response, ...(killedAtMemory !== undefined && { killedAtMemory }) } })
    options.onAnswered()
    // The answer is sent within the first turn.
    await nextTurn()
    await nextTurn()
    await tidy()
  }
  return {
    get size() {
      return leases.size
    },
    leaseIds: () => [...leases.keys()],
    begin(assign) {
      const task = work(assign)
      working.add(task)
      task.then(
        () => working.delete(task),
        (error: unknown) => {
          working.delete(task)
          log.error('an action could not be answered', { error })
        },
      )
    },
    cancel(leaseId, reason) {
      leases.get(leaseId)?.abort(new ActionCancelled(reason))
    },
    async end(reason) {
      const cancelled = new ActionCancelled(reason)
      for (const controller of leases.values()) controller.abort(cancelled)
      await Promise.all(working)
    },
  }
}
