import { countText } from '../core/count-text.ts'
import type { Digest } from '../core/digest.ts'
import { propertiesText } from '../core/platform.ts'
import type { OperationView, QueueView, SchedulerView, WorkerView } from '../core/scheduler-view.ts'
import type { Engine } from './engine.ts'
import { largerText } from './larger.ts'
import { matches, type Platform } from './match.ts'
import type { Stage } from './operation.ts'
import type { PlatformQueue } from './platform-queue.ts'
import type { Entry } from './registry.ts'
import type { Task, Worker } from './task.ts'

/** What the scheduler is doing at one moment; at most operationsShown operations. */
export interface Snapshot extends SchedulerView {
  readonly workers: readonly WorkerSnapshot[]
  readonly operations: readonly OperationSnapshot[]
}

interface WorkerSnapshot extends WorkerView {
  /** It gets no actions for a while, because it had to give one back. */
  readonly resting: boolean
}

interface OperationSnapshot extends OperationView {
  readonly stage: Stage
  readonly action: Digest
}

const operationsShown = 1_000

export function snapshotOf({ fleet, registry, tasks, draining }: Engine): Snapshot {
  const busy = tasks.dispatch.queues().filter((queue) => queue.tasks.size > 0)
  const queues = new Map(busy.map((queue) => [queue.platform.key, queueView(queue, fleet.workers)]))
  const operations: OperationSnapshot[] = []
  for (const entry of registry.entries()) {
    if (operations.length === operationsShown) break
    if (entry.task) operations.push(operationView(entry, entry.task, queues))
  }
  return {
    workers: [...fleet.workers].map(workerView),
    queues: [...queues.values()],
    operations,
    queued: tasks.queued,
    executing: tasks.leases.size,
    draining,
  }
}

function workerView({ name, version, slots, free, offer, connectedAt, leaving, resting }: Worker): WorkerSnapshot {
  return { name, version, slots, busy: slots - free, properties: offer.properties, connectedAt, leaving, resting }
}

function queueView({ platform, tasks }: PlatformQueue<Task>, workers: ReadonlySet<Worker>): QueueView {
  const able = ableWorkers(platform, workers)
  return {
    properties: platform.properties,
    waiting: tasks.size,
    workers: able.length,
    slots: able.reduce((sum, { slots }) => sum + slots, 0),
  }
}

function ableWorkers(platform: Platform, workers: ReadonlySet<Worker>): Worker[] {
  return [...workers].filter((worker) => !worker.leaving && matches(platform, worker.offer))
}

function operationView(
  { operation, client, createdAt }: Entry,
  task: Task,
  queues: ReadonlyMap<string, QueueView>,
): OperationSnapshot {
  return {
    name: operation.name,
    stage: operation.stage,
    action: operation.digest,
    createdAt,
    worker: task.attempt?.lease.worker.name ?? '',
    priority: task.priority,
    tool: client.tool,
    target: client.target,
    mnemonic: client.mnemonic,
    why: whyText(task, queues.get(task.platform.key)),
  }
}

function whyText(task: Task, queue: QueueView | undefined): string {
  const { attempt, settling, platform, attempts, avoided } = task
  const larger = largerText(task)
  if (attempt) return `runs on ${attempt.lease.worker.name}${larger ? `, ${larger}` : ''}`
  if (settling) return 'has run; its result is being stored'
  const lost = attempts > 0 ? ` (attempt ${attempts + 1}: its worker was lost)` : ''
  const again = lost + (larger ? `; it is to run ${larger}` : '')
  if (avoided?.waits) return `waits for a free slot on another worker than ${avoided.worker}${again}`
  if (!queue || queue.workers === 0)
    return `waits for a worker that offers ${propertiesText(platform.properties)}; none is connected${again}`
  const others =
    queue.waiting > 1 ? `, as ${countText(queue.waiting - 1, 'other action does', 'other actions do')}` : ''
  return `waits for a free slot (${countText(queue.slots, 'slot')} on ${countText(queue.workers, 'worker')})${others}${again}`
}
