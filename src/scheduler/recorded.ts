import type { Ended } from '../client/recorder.ts'
import type { re } from '../wire/proto.ts'
import { Code } from '../wire/rpc.ts'
import { toRpcError } from '../wire/status.ts'
import type { ClientFacts } from './client.ts'
import type { SchedulerContext } from './context.ts'
import type { ExecuteRequest } from './execute-request.ts'
import type { Operation } from './operation.ts'
import type { Registry } from './registry.ts'
import type { Task } from './task.ts'

/** How a run ended: with a worker's answer, or with an error. */
type RunEnd = Pick<Ended, 'status' | 'message' | 'exitCode' | 'metadata'>

/** The end that a worker's answer stands for. @param note what there is to say about a run that gave a result */
export function runEnd({ status, message, result }: re.ExecuteResponse.$Properties, note = ''): RunEnd {
  const code = status?.code ?? Code.OK
  return {
    status: code,
    message: code === Code.OK ? note : (status?.message ?? message ?? ''),
    exitCode: result?.exitCode ?? 0,
    metadata: result?.executionMetadata,
  }
}

/** The end that an error stands for. */
export function errorEnd(error: unknown): RunEnd {
  const { code, message } = toRpcError(error)
  return { status: code, message, exitCode: 0 }
}

/** Records how a task ended, for each client that still follows it, or for one of them. */
export function recordEnd(
  { recorder }: SchedulerContext,
  registry: Registry,
  task: Task,
  end: RunEnd,
  operations: Iterable<Operation> = task.operations,
): void {
  if (!recorder) return
  for (const { name } of operations) {
    const entry = registry.find(name)
    if (!entry) continue
    recorder.execution({ metadata: entry.client.metadata, instance: task.instance }, task.digest, {
      ...end,
      cached: false,
      merged: entry.asked?.merged ?? false,
      skipCacheLookup: entry.asked?.skipCacheLookup ?? false,
      doNotCache: task.action.doNotCache,
      attempts: task.attempts,
    })
  }
}

/** Records an action that was not started: its result was cached, or it was refused. */
export function recordUnbegun(
  { recorder }: SchedulerContext,
  { instance, digest, skipCacheLookup }: ExecuteRequest,
  { metadata }: ClientFacts,
  end: { readonly result: re.ActionResult.$Properties } | { readonly error: unknown },
): void {
  if (!recorder) return
  const cached = 'result' in end
  const facts = cached
    ? { status: Code.OK, message: '', exitCode: end.result.exitCode ?? 0, metadata: end.result.executionMetadata }
    : errorEnd(end.error)
  recorder.execution({ metadata, instance }, digest, {
    ...facts,
    cached,
    merged: false,
    skipCacheLookup,
    doNotCache: false,
    attempts: 0,
  })
}
