import { workerApi } from '../wire/proto.ts'
import type { Call, Send, Service } from '../wire/rpc.ts'
import { toTimestamp } from '../wire/time.ts'
import { stageValue } from './operation.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * native.worker.v1.Status: the snapshot for programs elsewhere, and what actions print.
 * @param tail serves FollowOutput
 */
export function statusService(
  snapshot: () => Snapshot,
  tail: (request: Uint8Array, call: Call, send: Send) => Promise<void>,
): Service {
  return {
    name: 'native.worker.v1.Status',
    methods: {
      GetStatus: {
        kind: 'unary',
        // Operations name targets and actions of every instance.
        handle: (_, { limited }) => encodeSnapshot(limited ? { ...snapshot(), operations: [] } : snapshot()),
      },
      FollowOutput: { kind: 'server-stream', handle: tail },
    },
  }
}

function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  return workerApi.SchedulerStatus.encode({
    workers: snapshot.workers.map(({ connectedAt, properties, ...rest }) => ({
      ...rest,
      properties: [...properties],
      connected: toTimestamp(connectedAt),
    })),
    queues: snapshot.queues.map(({ properties, ...rest }) => ({ ...rest, properties: [...properties] })),
    operations: snapshot.operations.map(({ action, createdAt, stage, ...rest }) => ({
      ...rest,
      stage: stageValue[stage],
      actionDigest: { hash: action.hash, sizeBytes: action.size },
      created: toTimestamp(createdAt),
    })),
    queued: snapshot.queued,
    executing: snapshot.executing,
    draining: snapshot.draining,
  }).finish()
}
