import type { Digest } from '../core/digest.ts'
import { re } from '../wire/proto.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'
import { type ClientOptions, callOptions, clientContext, functionValue, wireDigest } from './context.ts'
import { withRetries } from './retry.ts'

const getMethod = 'build.bazel.remote.execution.v2.ActionCache/GetActionResult'
export const updateMethod = 'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult'

/** A client of a server's action cache. */
export interface ActionsClient {
  /** The cached result of an action, or undefined if there is none (NOT_FOUND, rule 18). */
  get(action: Digest, wanted?: InlineRequest, signal?: AbortSignal): Promise<re.ActionResult | undefined>
  /** Stores a result; every blob that it references must already be in the CAS (rule 21). */
  update(action: Digest, result: re.ActionResult.$Properties, signal?: AbortSignal): Promise<void>
}

/** What to inline into the result, if it is small enough. */
interface InlineRequest {
  readonly stdout?: boolean
  readonly stderr?: boolean
  readonly outputFiles?: readonly string[]
}

/** Opens a client on a channel; nothing to close. */
export function createActionsClient(channel: Channel, options: ClientOptions = {}): ActionsClient {
  const context = clientContext(channel, options)
  const call = (method: string, request: Uint8Array, signal: AbortSignal | undefined) =>
    withRetries(context.retries, signal, () => channel.unary(method, request, callOptions(context, signal)))
  return {
    async get(action, wanted = {}, signal) {
      const request = re.GetActionResultRequest.encode({
        instanceName: context.instance,
        actionDigest: wireDigest(action),
        digestFunction: functionValue(action.fn),
        inlineStdout: wanted.stdout ?? false,
        inlineStderr: wanted.stderr ?? false,
        inlineOutputFiles: [...(wanted.outputFiles ?? [])],
      }).finish()
      try {
        return re.ActionResult.decode(await call(getMethod, request, signal))
      } catch (error) {
        if (error instanceof RpcError && error.code === Code.NOT_FOUND) return undefined
        throw error
      }
    },
    async update(action, result, signal) {
      const request = re.UpdateActionResultRequest.encode({
        instanceName: context.instance,
        actionDigest: wireDigest(action),
        digestFunction: functionValue(action.fn),
        actionResult: result,
      }).finish()
      await call(updateMethod, request, signal)
    },
  }
}
