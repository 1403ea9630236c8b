import { type CasClient, createCasClient } from '../../../src/client/cas.ts'
import { wireDigest } from '../../../src/client/context.ts'
import type { ActionRecord } from '../../../src/core/build-history.ts'
import { packAny } from '../../../src/wire/any.ts'
import { avoidedBy } from '../../../src/wire/elsewhere.ts'
import { longrunning, re } from '../../../src/wire/proto.ts'
import type { Channel } from '../../../src/wire/rpc.ts'
import { openRemote } from '../../client/remote.ts'
import { blobOf } from '../../fixture/blob.ts'
import { memoryChannel } from '../../fixture/memory-channel.ts'

/** A cache, and a scheduler that answers each execution as it is told to. */
export interface Scene {
  readonly cache: Channel
  readonly cas: CasClient
  readonly scheduler: Channel
  /** Puts an action of this name into the cache. */
  action(name: string): Promise<ActionRecord>
}

/** The result of an action's run, which is to avoid a worker; it may put blobs into the cache, or throw what the call ends with. */
export type Answer = (action: re.Action, cas: CasClient, notOn: string) => Promise<re.ActionResult.$Properties>

export function createScene(answer: Answer): Scene {
  const { channel: cache } = openRemote()
  const cas = createCasClient(cache)
  const scheduler = memoryChannel([
    {
      name: 'build.bazel.remote.execution.v2.Execution',
      methods: {
        Execute: {
          kind: 'server-stream',
          async handle(request, call, send) {
            const { actionDigest } = re.ExecuteRequest.decode(request)
            const digest = { fn: 'sha256', hash: actionDigest?.hash ?? '', size: actionDigest?.sizeBytes ?? 0 } as const
            const result = await answer(re.Action.decode(await cas.readBlob(digest)), cas, avoidedBy(call))
            const response = re.ExecuteResponse.encode({ result }).finish()
            const any = packAny('build.bazel.remote.execution.v2.ExecuteResponse', response)
            await send(longrunning.Operation.encode({ name: 'one', done: true, response: any }).finish())
          },
        },
      },
    },
  ])
  return {
    cache,
    cas,
    scheduler,
    async action(name) {
      const command = re.Command.encode({ arguments: [name], outputPaths: ['out'] }).finish()
      const action = re.Action.encode({ commandDigest: wireDigest(blobOf(command).digest) }).finish()
      const blobs = [command, action].map(blobOf)
      await cas.upload(blobs.map(({ digest, bytes }) => ({ digest, content: bytes })))
      return recordOf(name, action)
    },
  }
}

/** What a history has of an action that was executed. */
export function recordOf(name: string, action: Uint8Array | string = name): ActionRecord {
  return {
    ...{ row: 1, build: 'b', instance: '', digest: blobOf(action).digest, target: name, mnemonic: 'M' },
    ...{ configuration: '', firstOutput: '', outcome: 'executed', firstSeen: 0, lastSeen: 0 },
    ...{ skipCacheLookup: false, doNotCache: false, merged: false, exitCode: 0, status: 0, message: '', worker: '' },
    ...{ attempts: 1, times: {} },
  } as ActionRecord
}
