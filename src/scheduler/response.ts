import { messageBytesMax } from '../core/limits.ts'
import { packSameWorker } from '../wire/elsewhere.ts'
import { re } from '../wire/proto.ts'
import { Code, type RpcError } from '../wire/rpc.ts'
import { statusMessage } from '../wire/status.ts'
import { toTimestamp } from '../wire/time.ts'
import { largerText } from './larger.ts'
import type { Killed, Task } from './task.ts'

/** Room for the Operation around its response. */
const envelopeBytes = 64 * 1024

/** The response for a result from the action cache. */
export function cachedResponse(result: re.ActionResult): Uint8Array {
  return re.ExecuteResponse.encode({
    result,
    cachedResult: true,
    status: { code: Code.OK },
    message: 'taken from the action cache',
  }).finish()
}

/** The response for an action that no worker has answered. */
export function failedResponse(error: RpcError): Uint8Array {
  return re.ExecuteResponse.encode({ status: statusMessage(error), message: error.message }).finish()
}

/**
 * A worker's response as clients get it: never marked as cached, the worker and the queueing time filled in where the
 * worker left them out, and a line for people about who ran it.
 */
export function workerResponse(
  task: Task,
  worker: string,
  response: re.ExecuteResponse.$Properties,
  ran = ranText(task, worker),
): re.ExecuteResponse.$Properties {
  const { result } = response
  if (!result && (response.status?.code ?? Code.OK) === Code.OK)
    return { status: { code: Code.INTERNAL, message: `${worker} answered with neither a result nor a failure` } }
  const said = response.message ? `${response.message}\n` : ''
  return {
    ...response,
    cachedResult: false,
    status: response.status ?? { code: Code.OK },
    message: said + ran,
    ...(result && { result: { ...result, executionMetadata: completeMetadata(task, worker, result) } }),
  }
}

/** The answer for a task that was killed for memory, and that no larger worker has run to its end. */
export function killedResponse(
  task: Task,
  { worker, answer }: Killed,
  error: RpcError,
): re.ExecuteResponse.$Properties {
  return workerResponse(task, worker, answer, `ran on ${worker}; no larger worker has run it: ${error.message}`)
}

/** A response too large for one message is sent without inlined contents. */
export function encodedResponse(response: re.ExecuteResponse.$Properties): Uint8Array {
  const bytes = re.ExecuteResponse.encode(response).finish()
  if (bytes.byteLength <= messageBytesMax - envelopeBytes || !response.result) return bytes
  return re.ExecuteResponse.encode({ ...response, result: withoutInlined(response.result) }).finish()
}

/**
 * May the result be stored for others? Rule 23: only a success whose action does not forbid it. A failed action runs
 * again the next time it is requested, as clients expect.
 */
export function storable(task: Task, response: re.ExecuteResponse.$Properties): boolean {
  return (
    !task.action.doNotCache &&
    response.result != null &&
    (response.status?.code ?? Code.OK) === Code.OK &&
    (response.result.exitCode ?? 0) === 0
  )
}

/** A result as it is stored in the cache: what some client wanted inline is referred to by digest only. */
export function withoutInlined(result: re.ActionResult.$Properties): re.ActionResult.$Properties {
  return {
    ...result,
    ...(result.stdoutDigest && { stdoutRaw: new Uint8Array() }),
    ...(result.stderrDigest && { stderrRaw: new Uint8Array() }),
    outputFiles: (result.outputFiles ?? []).map((file) => ({ ...file, contents: new Uint8Array() })),
  }
}

/** Rule 21: a result that names its worker is never the empty message. */
function completeMetadata(
  task: Task,
  worker: string,
  result: re.ActionResult.$Properties,
): re.ExecutedActionMetadata.$Properties {
  const metadata = result.executionMetadata ?? {}
  const { avoided } = task
  const why = avoided?.worker === worker && packSameWorker(avoided.isOnly)
  return {
    ...metadata,
    ...(why && { auxiliaryMetadata: [...(metadata.auxiliaryMetadata ?? []), why] }),
    worker: metadata.worker || worker,
    queuedTimestamp: metadata.queuedTimestamp ?? toTimestamp(task.createdAt),
  }
}

function ranText(task: Task, worker: string): string {
  const waited = task.assignedAt - task.createdAt
  const again = task.attempts > 1 ? `, at attempt ${task.attempts}, since earlier workers were lost` : ''
  const larger = largerText(task)
  return `ran on ${worker} after ${waited} ms in the queue${again}${larger ? `, ${larger}` : ''}`
}
