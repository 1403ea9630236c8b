import { assertInstance, type InstanceNames } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { avoidedBy } from '../wire/elsewhere.ts'
import { re } from '../wire/proto.ts'
import { type Call, Code, type Detail, RpcError, type Send, type Service } from '../wire/rpc.ts'
import { retryInfo } from '../wire/status.ts'
import { clientFacts } from './client.ts'
import type { SchedulerContext } from './context.ts'
import type { Engine } from './engine.ts'
import { type ExecuteRequest, readExecuteRequest } from './execute-request.ts'
import type { Operation } from './operation.ts'

/**
 * When a client whose operation is gone may execute again. It has been retrying against a scheduler that was down, and
 * may have no retries left: the RetryInfo resets them.
 */
const executeAgainMs = 100

/** build.bazel.remote.execution.v2.Execution. */
export function executionService(engine: Engine, context: SchedulerContext, instances: InstanceNames): Service {
  async function execute(request: ExecuteRequest, call: Call, send: Send): Promise<void> {
    assertInstance(request.instance, instances)
    const operation = await engine.execute(request, clientFacts(call), call.signal)
    await follow(engine, context, operation, call, send)
  }

  return {
    name: 'build.bazel.remote.execution.v2.Execution',
    methods: {
      Execute: {
        kind: 'server-stream',
        // An async function's arguments stay in memory until it ends, which may take an hour.
        handle: (request, call, send) => execute(readExecuteRequest(request, avoidedBy(call)), call, send),
      },
      WaitExecution: {
        kind: 'server-stream',
        async handle(request, call, send) {
          const name = decodeMessage(re.WaitExecutionRequest, request).name ?? ''
          const operation = engine.registry.find(name)?.operation
          if (!operation) throw noOperation(name, [retryInfo(executeAgainMs)])
          await follow(engine, context, operation, call, send)
        },
      },
    },
  }
}

/**
 * The operation of this name.
 * @throws RpcError NOT_FOUND, upon which clients execute again (rule 28)
 */
export function operationNamed(engine: Engine, name: string): Operation {
  const entry = engine.registry.find(name)
  if (entry) return entry.operation
  throw noOperation(name)
}

function noOperation(name: string, details: readonly Detail[] = []): RpcError {
  return new RpcError(
    Code.NOT_FOUND,
    `there is no operation "${name.slice(0, 200)}": it ended some time ago, or the scheduler was restarted`,
    details,
  )
}

/**
 * Sends the operation as it is, then each change, and at least one message every updateEveryMs, so that no proxy takes
 * the stream for dead. Ends after the message that says done, never before (rule 27). A client that reads slowly gets
 * the latest state, not every one.
 */
async function follow(
  engine: Engine,
  context: SchedulerContext,
  operation: Operation,
  call: Call,
  send: Send,
): Promise<void> {
  const release = engine.listen(operation, call.signal)
  try {
    while (!call.signal.aborted) {
      const { revision, done } = operation
      await send(operation.encode())
      if (done) return
      // It may have changed while the last message was being sent.
      if (operation.revision !== revision) continue
      await operation.changed(context.updateEveryMs, context.clock, call.signal)
    }
  } finally {
    release()
  }
}
