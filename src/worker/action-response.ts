import { wireDigest } from '../client/context.ts'
import { Failure } from '../core/failure.ts'
import { messageBytesMax } from '../core/limits.ts'
import { spanText } from '../core/units.ts'
import { re } from '../wire/proto.ts'
import { packUsage } from '../wire/resource-usage.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { statusMessage } from '../wire/status.ts'
import { toDuration } from '../wire/time.ts'
import { isMachineError } from './action-error.ts'
import type { Assignment } from './assignment.ts'
import { endingText, wasKilledForMemory } from './ending.ts'
import type { HeldImage } from './images/store.ts'
import type { Limits } from './limits/limits.ts'
import type { declaredOutputs } from './output-paths.ts'
import { type CollectedOutputs, collectOutputs, inlineFiles, type OutputOptions, outputError } from './outputs.ts'
import type { Run } from './runner.ts'
import type { Sinks } from './slot-process.ts'
import type { Times } from './times.ts'
import type { WorkerContext } from './worker-context.ts'

/** The most that may be inlined in a result; the whole message stays under 4 MiB. */
const inlineBytesMax = 1024 * 1024
const responseBytesMax = messageBytesMax - 64 * 1024

/** An action that has run, and the facts of its run. */
export interface Made {
  readonly command: re.Command
  readonly root: string
  readonly declared: ReturnType<typeof declaredOutputs>
  readonly sinks: Sinks
  readonly ran: Run
  readonly limits: Limits
  readonly image: HeldImage | undefined
  /** Runs `act` while nothing can change the outputs. */
  readonly quietly: <T>(act: () => Promise<T>) => Promise<T>
}

/** What the scheduler is told about an action that has ended. */
export interface Answer {
  readonly response: re.ExecuteResponse.$Properties
  /** The memory limit in bytes for which it was killed. */
  readonly killedAtMemory?: number | undefined
}

/** Uploads the outputs of an action that has run, and makes its result. */
export async function respond(
  context: WorkerContext,
  assignment: Assignment,
  made: Made,
  times: Times,
): Promise<Answer> {
  const { fn } = assignment.digest
  const { ran } = made
  times.mark('outputUploadStart')
  const stdout = await made.sinks.stdout.finish()
  const stderr = await made.sinks.stderr.finish()
  const timedOut = ran.outcome === 'timeout'
  const { command, root, declared } = made
  const options = { fn, command, root, seenRoot: ran.seenRoot, declared }
  const outputs = await made.quietly(() => (timedOut ? collectFinished(options) : collectOutputs(options)))
  try {
    await context.cas.uploadMissing([stdout, stderr, ...outputs.sources], assignment.signal)
  } catch (error) {
    throw outputError(error, '', root)
  }
  inlineFiles(outputs, assignment.inlineOutputFiles, inlineBytesMax)
  times.mark('outputUploadCompleted')
  const result: re.ActionResult.$Properties = {
    ...outputs.result,
    exitCode: ran.exitCode,
    stdoutDigest: wireDigest(stdout.digest),
    stderrDigest: wireDigest(stderr.digest),
    ...(assignment.inlineStdout && { stdoutRaw: inlined(stdout.content) }),
    ...(assignment.inlineStderr && { stderrRaw: inlined(stderr.content) }),
    executionMetadata: {
      ...times.finish(),
      virtualExecutionDuration: toDuration(ran.endedAt - ran.startedAt),
      ...(ran.used && { auxiliaryMetadata: packUsage(ran.used) }),
    },
  }
  if (!timedOut) {
    const message = endingText(ran.exitCode, ran.met, made.limits) ?? (made.image ? `it ran in ${made.image.name}` : '')
    const killedAtMemory = wasKilledForMemory(ran.exitCode, ran.met) ? made.limits.memoryBytes : undefined
    return { response: { result, status: { code: Code.OK }, message }, killedAtMemory }
  }
  const error = new RpcError(
    Code.DEADLINE_EXCEEDED,
    `the action was killed after its time-out of ${spanText(assignment.timeoutMs)}`,
  )
  return { response: { result, status: statusMessage(error), message: error.message } }
}

/**
 * Even after a time-out, finished outputs and printed messages may help (rule 31); but since the action was stopped
 * midway, a problem with its outputs must not hide the time-out.
 */
async function collectFinished(options: OutputOptions): Promise<CollectedOutputs> {
  try {
    return await collectOutputs(options)
  } catch (error) {
    if (isMachineError(error)) throw error
    return collectOutputs({ ...options, declared: [] })
  }
}

/** Small streams are in memory anyway; larger ones are referred to by digest only. */
function inlined(content: Uint8Array | string): Uint8Array {
  return typeof content === 'string' ? new Uint8Array() : content
}

/** A result that does not fit into a message loses its inlined contents; if it is still too large, it is refused. */
export function bounded(response: re.ExecuteResponse.$Properties): re.ExecuteResponse.$Properties {
  const size = () => re.ExecuteResponse.encode(response).finish().byteLength
  const { result } = response
  if (!result || (result.outputFiles ?? []).length < 1000 || size() <= responseBytesMax) return response
  result.stdoutRaw = null
  result.stderrRaw = null
  for (const file of result.outputFiles ?? []) file.contents = null
  if (size() <= responseBytesMax) return response
  throw new Failure('exhausted', 'the action has more outputs than fit into one message of 4 MiB', {
    next: ['Declare a directory as the output instead of each file in it.'],
  })
}
