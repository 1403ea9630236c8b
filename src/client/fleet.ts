import type { PlatformProperty } from '../core/platform.ts'
import { workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'

const method = 'native.worker.v1.Status/GetStatus'
const timeoutMs = 10_000

/** A worker as the scheduler sees it. */
export interface FleetWorker {
  readonly name: string
  readonly slots: number
  readonly busy: number
  /** It takes no more and closes once its actions are done. */
  readonly leaving: boolean
  readonly properties: readonly PlatformProperty[]
  readonly version: string
}

/**
 * The workers that are connected to one of our schedulers just now.
 * @throws RpcError; UNIMPLEMENTED from a scheduler that is not ours
 */
export async function connectedWorkers(scheduler: Channel): Promise<FleetWorker[]> {
  const request = workerApi.GetStatusRequest.encode({}).finish()
  const { workers } = workerApi.SchedulerStatus.decode(await scheduler.unary(method, request, { timeoutMs }))
  return workers.map((worker) => ({
    name: worker.name ?? '',
    slots: worker.slots ?? 0,
    busy: worker.busy ?? 0,
    leaving: worker.leaving ?? false,
    properties: (worker.properties ?? []).map(({ name, value }) => ({ name: name ?? '', value: value ?? '' })),
    version: worker.version ?? '',
  }))
}
