import type { re, workerApi } from '../wire/proto.ts'
import { Code } from '../wire/rpc.ts'
import type { SchedulerContext } from './context.ts'
import { largerText } from './larger.ts'
import { recordEnd, runEnd } from './recorded.ts'
import { encodedResponse, storable, withoutInlined, workerResponse } from './response.ts'
import { type Task, taskFields } from './task.ts'
import type { Outcome, Tasks } from './tasks.ts'

/** Stores a result in the action cache; its failure is logged and costs the client nothing. */
export type StoreResult = (task: Task, result: re.ActionResult.$Properties) => Promise<void>

/**
 * Handles a worker's answer for a task: stores the result first, so that the next request finds it, then gives it to
 * every client. A worker that could not run the task for a transient reason counts as lost; a task that was killed for
 * memory is queued once more if there is a larger worker.
 * @param ended called once clients have their answer
 */
export function settle(
  context: SchedulerContext,
  tasks: Tasks,
  store: StoreResult,
  task: Task,
  worker: string,
  finished: workerApi.Finished.$Properties,
  ended: (response: re.ExecuteResponse.$Properties) => void,
): void {
  const answer = finished.response ?? {}
  const code = answer.status?.code ?? Code.OK
  if (code === Code.UNAVAILABLE && task.attempts <= context.requeuesMax) {
    tasks.again(task, `worker ${worker}: ${answer.status?.message ?? 'unavailable'}`)
    return
  }
  const limit = finished.killedAtMemory ?? 0
  if (limit > 0 && tasks.enlarge(task, { worker, limit, answer })) return
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
    recordEnd(context, tasks.registry, task, runEnd(response, noteOf(task)))
    tasks.end(task, encodedResponse(response), outcomeOf(response))
    ended(response)
  }
  if (response.result && storable(task, response)) store(task, withoutInlined(response.result)).then(end, end)
  else end()
}

/** What the history of builds says about a run that gave a result. */
function noteOf(task: Task): string {
  const larger = largerText(task)
  return larger ? `It ran ${larger}.` : ''
}

function outcomeOf(response: re.ExecuteResponse.$Properties): Outcome {
  if ((response.status?.code ?? Code.OK) !== Code.OK) return 'error'
  return (response.result?.exitCode ?? 0) === 0 ? 'ok' : 'failed'
}
