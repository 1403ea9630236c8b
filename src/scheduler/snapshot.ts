import type { Digest } from '../core/digest.ts'
import { type PlatformProperty, propertiesText } from '../core/platform.ts'
import type { Engine } from './engine.ts'
import type { Lane } from './lanes.ts'
import { matches, type Platform } from './match.ts'
import type { Stage } from './operation.ts'
import type { Entry } from './registry.ts'
import type { Task, Worker } from './task.ts'

/** What the scheduler is doing at one moment, for status and the dashboard. */
export interface Snapshot {
  readonly workers: readonly WorkerView[]
  readonly queues: readonly QueueView[]
  /** Those in flight, oldest first; at most operationsShown. */
  readonly operations: readonly OperationView[]
  readonly queued: number
  readonly executing: number
  readonly draining: boolean
}

interface WorkerView {
  readonly name: string
  readonly version: string
  readonly slots: number
  readonly busy: number
  readonly properties: readonly PlatformProperty[]
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  readonly leaving: boolean
}

interface QueueView {
  readonly properties: readonly PlatformProperty[]
  readonly waiting: number
  /** Workers that could take them, and how many actions those run at once. */
  readonly workers: number
  readonly slots: number
}

interface OperationView {
  readonly name: string
  readonly stage: Stage
  readonly digest: Digest
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly worker: string
  readonly priority: number
  readonly tool: string
  readonly target: string
  readonly mnemonic: string
  /** Why it waits, or where it runs, for people. */
  readonly why: string
}

const operationsShown = 1_000

export function snapshotOf({ fleet, registry, tasks, draining }: Engine): Snapshot {
  const busy = tasks.dispatch.lanes().filter((lane) => lane.queue.size > 0)
  const queues = new Map(busy.map((lane) => [lane.platform.key, queueView(lane, fleet.workers)]))
  const operations: OperationView[] = []
  for (const entry of registry.entries()) {
    if (operations.length === operationsShown) break
    if (entry.task) operations.push(operationView(entry, entry.task, queues))
  }
  return {
    workers: [...fleet.workers].map(workerView),
    queues: [...queues.values()],
    operations,
    queued: tasks.dispatch.waiting,
    executing: tasks.leases.size,
    draining,
  }
}

function workerView({ name, version, slots, free, offer, connectedAt, leaving }: Worker): WorkerView {
  return { name, version, slots, busy: slots - free, properties: offer.properties, connectedAt, leaving }
}

function queueView({ platform, queue }: Lane<Task>, workers: ReadonlySet<Worker>): QueueView {
  const able = ableWorkers(platform, workers)
  return {
    properties: platform.properties,
    waiting: queue.size,
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
): OperationView {
  return {
    name: operation.name,
    stage: operation.stage,
    digest: operation.digest,
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
  const { attempt, settling, platform, attempts } = task
  if (attempt) return `runs on ${attempt.lease.worker.name}`
  if (settling) return 'has run; its result is being stored'
  const again = attempts > 0 ? `, for the ${attempts + 1}. time since its worker was lost` : ''
  if (!queue || queue.workers === 0)
    return `waits for a worker that offers ${propertiesText(platform.properties)}: none is connected${again}`
  return `waits with ${queue.waiting - 1} others for one of the ${queue.slots} slots of ${queue.workers} workers${again}`
}
