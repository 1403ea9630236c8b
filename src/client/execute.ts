import type { Digest } from '../core/digest.ts'
import { unpackAny } from '../wire/any.ts'
import { longrunning, re, rpc } from '../wire/proto.ts'
import { parseReadName } from '../wire/resource.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'
import { errorOfStatus, isNoWorkerCame } from '../wire/status.ts'
import { type ClientOptions, type Context, clientContext, functionValue, wireDigest } from './context.ts'
import { createFollower, type FollowedBytes, type OutputStream } from './follow.ts'
import { isRetriable, retryDelayMs, waitToRetry } from './retry.ts'

const executeMethod = 'build.bazel.remote.execution.v2.Execution/Execute'
const waitMethod = 'build.bazel.remote.execution.v2.Execution/WaitExecution'
const cancelMethod = 'google.longrunning.Operations/CancelOperation'
const cancelTimeoutMs = 2_000
/** How often a server may report missing blobs before it is considered to be losing them. */
const missingRoundsMax = 3

export type Stage = 'unknown' | 'cache-check' | 'queued' | 'executing' | 'completed'
const stages: readonly Stage[] = ['unknown', 'cache-check', 'queued', 'executing', 'completed']

export interface ExecuteOptions {
  readonly action: Digest
  readonly skipCacheLookup?: boolean
  /** 0 is the default; a lower value runs sooner (rule 33). */
  readonly priority?: number
  readonly inlineStdout?: boolean
  readonly inlineStderr?: boolean
  readonly inlineOutputFiles?: readonly string[]
  /** Hears of every update from the server; a stage may go backwards (rule 29). */
  readonly onProgress?: (progress: Progress) => void
  /** Hears what the action writes while it runs, if the server supports that. */
  readonly onOutput?: (stream: OutputStream, bytes: Uint8Array) => void
  /** Sends blobs that the server lacks; the action is then retried (rule 25). */
  readonly onMissing?: (digests: readonly Digest[]) => Promise<void>
  /** Ends the wait, and asks the server to cancel the operation. */
  readonly signal?: AbortSignal
}

export interface Progress {
  readonly operation: string
  readonly stage: Stage
  /** The worker, once it is known. */
  readonly worker: string
}

export interface Executed {
  readonly operation: string
  readonly cached: boolean
  readonly result: re.ActionResult.$Properties
  /** A status other than OK, for instance DEADLINE_EXCEEDED with what the action had written by then. */
  readonly error: RpcError | undefined
  /** The server's message for people. */
  readonly message: string
  /** How much of stdout and stderr onOutput has received; the rest is in the result. */
  readonly followed: FollowedBytes
}

/**
 * Executes an action and waits for its result. A broken stream is resumed with WaitExecution; an operation that the
 * server has forgotten is started again; transient failures are retried as the server asks (RetryInfo, rule 44).
 * @throws RpcError when the server refuses the action, cannot be reached, or the signal aborts
 */
export async function execute(
  channel: Channel,
  options: ExecuteOptions,
  client: ClientOptions = {},
): Promise<Executed> {
  const context = clientContext(channel, client)
  const follower = createFollower(context, options.onOutput)
  const state: State = { operation: '', failures: 0, missingRounds: 0 }
  try {
    for (;;) {
      const response = await attempt(context, options, state, follower.follow)
      if (!response) continue
      await follower.finish()
      return {
        operation: state.operation,
        cached: response.cachedResult ?? false,
        result: response.result ?? {},
        error: errorOfStatus(response.status),
        message: response.message ?? '',
        followed: follower.bytes,
      }
    }
  } catch (error) {
    if (options.signal?.aborted && state.operation !== '') await cancelQuietly(context, state.operation)
    throw error
  } finally {
    follower.stop()
  }
}

interface State {
  /** Name of the operation to wait for; empty if it has to be started. */
  operation: string
  failures: number
  missingRounds: number
}

/** One stream; undefined if it gave no answer and another should be opened. */
async function attempt(
  context: Context,
  options: ExecuteOptions,
  state: State,
  follow: (metadata: re.ExecuteOperationMetadata) => void,
): Promise<re.ExecuteResponse | undefined> {
  const waiting = state.operation !== ''
  try {
    for await (const message of openStream(context, options, state.operation)) {
      const operation = longrunning.Operation.decode(message)
      state.operation = operation.name
      const metadata = progressOf(operation, options)
      if (metadata) follow(metadata)
      if (operation.done) return await answerOf(operation, options, state, context)
      // The stream works again, so earlier failures are forgotten. One that just ends gets no such credit.
      if (waiting) state.failures = 0
    }
    throw new RpcError(Code.UNAVAILABLE, 'the stream ended before the action did')
  } catch (error) {
    if (waiting && error instanceof RpcError && error.code === Code.NOT_FOUND) state.operation = ''
    else if (await missingSent(error, options, state)) return undefined
    await waitOrThrow(error, options, state, context)
    return undefined
  }
}

function openStream(context: Context, options: ExecuteOptions, operation: string): AsyncIterable<Buffer> {
  // No deadline: an action takes as long as it takes, and the server sends updates meanwhile.
  const call = { metadata: context.metadata, ...(options.signal && { signal: options.signal }) }
  if (operation !== '') {
    const request = re.WaitExecutionRequest.encode({ name: operation }).finish()
    return context.channel.serverStream(waitMethod, request, call)
  }
  const request = re.ExecuteRequest.encode({
    instanceName: context.instance,
    actionDigest: wireDigest(options.action),
    digestFunction: functionValue(options.action.fn),
    skipCacheLookup: options.skipCacheLookup ?? false,
    ...(options.priority && { executionPolicy: { priority: options.priority } }),
    inlineStdout: options.inlineStdout ?? false,
    inlineStderr: options.inlineStderr ?? false,
    inlineOutputFiles: [...(options.inlineOutputFiles ?? [])],
  }).finish()
  return context.channel.serverStream(executeMethod, request, call)
}

function progressOf(
  operation: longrunning.Operation,
  options: ExecuteOptions,
): re.ExecuteOperationMetadata | undefined {
  const value = unpackAny(operation.metadata, 'build.bazel.remote.execution.v2.ExecuteOperationMetadata')
  if (!value) return undefined
  const metadata = re.ExecuteOperationMetadata.decode(value)
  options.onProgress?.({
    operation: operation.name,
    stage: stages[metadata.stage ?? 0] ?? 'unknown',
    worker: metadata.partialExecutionMetadata?.worker ?? '',
  })
  return metadata
}

/** The response of a completed operation, or undefined if it should be started again. */
async function answerOf(
  operation: longrunning.Operation,
  options: ExecuteOptions,
  state: State,
  context: Context,
): Promise<re.ExecuteResponse | undefined> {
  const broken = errorOfStatus(operation.error)
  if (broken) throw broken
  const value = unpackAny(operation.response, 'build.bazel.remote.execution.v2.ExecuteResponse')
  if (!value) throw new RpcError(Code.INTERNAL, 'the operation is done but holds no ExecuteResponse')
  const response = re.ExecuteResponse.decode(value)
  const error = errorOfStatus(response.status)
  if (!error) return response
  const name = state.operation
  state.operation = ''
  if (await missingSent(error, options, state)) return undefined
  // Here, DEADLINE_EXCEEDED is the action's own timeout, which a retry would not meet either; and a server that says
  // that no worker came has waited for one.
  if (error.code !== Code.DEADLINE_EXCEEDED && !isNoWorkerCame(error) && isRetriable(error)) {
    const delay = retryDelayMs(error, state.failures + 1, context.retries)
    if (delay !== undefined) {
      state.failures += 1
      await waitToRetry(delay, context.retries.clock, options.signal)
      return undefined
    }
  }
  state.operation = name
  return response
}

async function waitOrThrow(error: unknown, options: ExecuteOptions, state: State, context: Context): Promise<void> {
  state.failures += 1
  if (options.signal?.aborted) throw error
  const forgotten = error instanceof RpcError && error.code === Code.NOT_FOUND && state.operation === ''
  const passing = forgotten ? new RpcError(Code.UNAVAILABLE, error.message) : error
  const delay = retryDelayMs(passing, state.failures, context.retries)
  if (delay === undefined) throw error
  await waitToRetry(delay, context.retries.clock, options.signal)
}

/** Has the caller send the blobs that the server lacks; true if it did. */
async function missingSent(error: unknown, options: ExecuteOptions, state: State): Promise<boolean> {
  if (!options.onMissing || !(error instanceof RpcError) || state.missingRounds >= missingRoundsMax) return false
  const digests = missingDigests(error)
  if (digests.length === 0) return false
  state.missingRounds += 1
  state.operation = ''
  await options.onMissing(digests)
  return true
}

/**
 * The blobs that an error reports as missing; none unless it is a FAILED_PRECONDITION with only MISSING violations
 * (rule 25): an upload cannot fix any other.
 */
export function missingDigests(error: RpcError): Digest[] {
  const violations = violationsOf(error)
  if (!violations.every((each) => each.type === 'MISSING')) return []
  return violations.map((each) => parseReadName(each.subject ?? '').digest)
}

/** Does an error report any missing blob? FAILED_PRECONDITION for other reasons has no MISSING violation. */
export function isOfMissing(error: RpcError): boolean {
  return violationsOf(error).some((each) => each.type === 'MISSING')
}

function violationsOf({ code, details }: RpcError): rpc.PreconditionFailure['violations'] {
  if (code !== Code.FAILED_PRECONDITION) return []
  return details.flatMap((detail) => {
    const value = unpackAny(detail, 'google.rpc.PreconditionFailure')
    return value ? rpc.PreconditionFailure.decode(value).violations : []
  })
}

async function cancelQuietly(context: Context, name: string): Promise<void> {
  const request = longrunning.CancelOperationRequest.encode({ name }).finish()
  try {
    await context.channel.unary(cancelMethod, request, { metadata: context.metadata, timeoutMs: cancelTimeoutMs })
  } catch (error) {
    // The caller has left, and does not care that the server cannot be told.
    if (!(error instanceof RpcError)) throw error
  }
}
