import { workerApi } from '../wire/proto.ts'
import type { Service } from '../wire/rpc.ts'
import { toTimestamp } from '../wire/time.ts'
import { stageValue } from './operation.ts'
import type { Snapshot } from './snapshot.ts'

/** native.worker.v1.Status: the snapshot for programs elsewhere. */
export function statusService(snapshot: () => Snapshot): Service {
  return {
    name: 'native.worker.v1.Status',
    methods: { GetStatus: { kind: 'unary', handle: () => encodeSnapshot(snapshot()) } },
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
    operations: snapshot.operations.map(({ digest, createdAt, stage, ...rest }) => ({
      ...rest,
      stage: stageValue[stage],
      actionDigest: { hash: digest.hash, sizeBytes: digest.size },
      created: toTimestamp(createdAt),
    })),
    queued: snapshot.queued,
    executing: snapshot.executing,
    draining: snapshot.draining,
  }).finish()
}
