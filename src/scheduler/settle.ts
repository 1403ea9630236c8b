import { messageBytesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import { Code } from '../wire/rpc.ts'
import type { SchedulerContext } from './context.ts'
import { recordEnd, runEnd } from './recorded.ts'
import { storable, withoutInlined, workerResponse } from './response.ts'
import type { Task } from './task.ts'
import { type Outcome, type Tasks, taskFields } from './tasks.ts'

/** Stores a result in the action cache; its failure is logged and costs the client nothing. */
export type StoreResult = (task: Task, result: re.ActionResult.$Properties) => Promise<void>

/** Room for the Operation around its response. */
const envelopeBytes = 64 * 1024

/**
 * Handles a worker's answer for a task: stores the result first, so that the next request finds it, then gives it to
 * every client. A worker that could not run the task for a transient reason counts as lost.
 * @param ended called once clients have their answer
 */
export function settle(
  context: SchedulerContext,
  tasks: Tasks,
  store: StoreResult,
  task: Task,
  worker: string,
  answer: re.ExecuteResponse.$Properties,
  ended: (response: re.ExecuteResponse.$Properties) => void,
): void {
  const code = answer.status?.code ?? Code.OK
  if (code === Code.UNAVAILABLE && task.attempts <= context.requeuesMax) {
    tasks.again(task, `worker ${worker}: ${answer.status?.message ?? 'unavailable'}`)
    return
  }
  const response = workerResponse(task, worker, answer)
  task.settling = true
  const end = () => {
    context.log.info('action done', {
      ...taskFields(task),
      worker,
      queuedMs: task.assignedAt - task.createdAt,
      totalMs: context.clock.now() - task.createdAt,
      ...(code === Code.OK ? { exitCode: response.result?.exitCode ?? 0 } : { code }),
    })
    recordEnd(context, tasks.registry, task, runEnd(response))
    tasks.end(task, encoded(response), outcomeOf(response))
    ended(response)
  }
  if (response.result && storable(task, response)) store(task, withoutInlined(response.result)).then(end, end)
  else end()
}

/** A response too large for one message is sent without inlined contents. */
function encoded(response: re.ExecuteResponse.$Properties): Uint8Array {
  const bytes = re.ExecuteResponse.encode(response).finish()
  if (bytes.byteLength <= messageBytesMax - envelopeBytes || !response.result) return bytes
  return re.ExecuteResponse.encode({ ...response, result: withoutInlined(response.result) }).finish()
}

function outcomeOf(response: re.ExecuteResponse.$Properties): Outcome {
  if ((response.status?.code ?? Code.OK) !== Code.OK) return 'error'
  return (response.result?.exitCode ?? 0) === 0 ? 'ok' : 'failed'
}
