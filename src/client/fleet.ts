import type { PlatformProperty } from '../core/platform.ts'
import type { SchedulerView, WorkerView } from '../core/scheduler-view.ts'
import { type re, workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { fromTimestamp } from '../wire/time.ts'

const method = 'native.worker.v1.Status/GetStatus'
const usualTimeoutMs = 10_000

/**
 * What one of our schedulers is doing at the moment.
 * @throws RpcError; UNIMPLEMENTED from a scheduler that is not ours
 */
export async function schedulerView(scheduler: Channel, timeoutMs = usualTimeoutMs): Promise<SchedulerView> {
  const request = workerApi.GetStatusRequest.encode({}).finish()
  const status = workerApi.SchedulerStatus.decode(await scheduler.unary(method, request, { timeoutMs }))
  return {
    workers: status.workers.map((worker) => ({
      name: worker.name ?? '',
      version: worker.version ?? '',
      slots: worker.slots ?? 0,
      busy: worker.busy ?? 0,
      properties: propertiesOf(worker.properties),
      connectedAt: worker.connected ? fromTimestamp(worker.connected) : 0,
      leaving: worker.leaving ?? false,
    })),
    queues: status.queues.map((queue) => ({
      properties: propertiesOf(queue.properties),
      waiting: queue.waiting ?? 0,
      workers: queue.workers ?? 0,
      slots: queue.slots ?? 0,
    })),
    operations: status.operations.map((operation) => ({
      name: operation.name ?? '',
      action: { hash: operation.actionDigest?.hash ?? '', size: operation.actionDigest?.sizeBytes ?? 0 },
      createdAt: operation.created ? fromTimestamp(operation.created) : 0,
      worker: operation.worker ?? '',
      priority: operation.priority ?? 0,
      tool: operation.tool ?? '',
      target: operation.target ?? '',
      mnemonic: operation.mnemonic ?? '',
      why: operation.why ?? '',
    })),
    queued: status.queued,
    executing: status.executing,
    draining: status.draining,
  }
}

/**
 * The workers currently connected to one of our schedulers.
 * @throws RpcError; UNIMPLEMENTED from a scheduler that is not ours
 */
export async function connectedWorkers(scheduler: Channel, timeoutMs?: number): Promise<readonly WorkerView[]> {
  return (await schedulerView(scheduler, timeoutMs)).workers
}

function propertiesOf(wire: readonly re.Platform.Property.$Properties[] | null | undefined): PlatformProperty[] {
  return (wire ?? []).map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }))
}
