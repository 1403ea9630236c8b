import type { Digest } from '../core/digest.ts'
import type { workerApi } from '../wire/proto.ts'
import type { RpcError } from '../wire/rpc.ts'
import type { Admitted } from './admission.ts'
import type { ClientFacts } from './client.ts'
import type { Taker } from './dispatch.ts'
import type { Waiting } from './lanes.ts'
import type { Lease } from './lease.ts'
import type { Luggage } from './luggage.ts'
import type { Operation, Progress } from './operation.ts'
import type { Output } from './output.ts'
import type { Wanted } from './wanted.ts'

/** One action in flight. Identical ones share it, each client with an operation of its own. */
export interface Task extends Waiting {
  readonly digest: Digest
  readonly instance: string
  readonly action: Admitted
  /** For its first worker; a second one fetches. */
  readonly luggage: Luggage
  /** What any of its clients wants inline; grows while the task waits. */
  readonly inline: { stdout: boolean; stderr: boolean; readonly outputFiles: Set<string> }
  /** Who asked first. */
  readonly client: ClientFacts
  readonly operations: Set<Operation>
  /** Streams that follow one of its operations now. */
  listeners: number
  /** Stops the time after which a task without listeners is cancelled. */
  keep: () => void
  /** When it was queued the first time, in milliseconds since 1970. */
  readonly createdAt: number
  /** How often it was given to a worker. */
  attempts: number
  /** When it was given to a worker the last time. */
  assignedAt: number
  attempt: Attempt | undefined
  /** Its worker has answered; what remains is to store the result. */
  settling: boolean
}

/** A task in a worker's hands. */
interface Attempt {
  readonly lease: Lease<Task, Worker>
  readonly stdout: Output
  readonly stderr: Output
}

/** A connected worker. */
export interface Worker extends Taker {
  readonly name: string
  readonly slots: number
  readonly version: string
  readonly connectedAt: number
  /** When it last said anything. */
  heardAt: number
  /** It takes no more and goes once its leases are done. */
  leaving: boolean
  tell(message: workerApi.ToWorker.$Properties): void
  /** Ends its stream with this error. */
  dismiss(error: RpcError): void
}

/** A task for an action that has been admitted. */
export function createTask(
  wanted: Wanted,
  action: Admitted,
  luggage: Luggage,
  client: ClientFacts,
  arrival: number,
  now: number,
): Task {
  return {
    digest: wanted.digest,
    instance: wanted.instance,
    action,
    luggage,
    platform: action.platform,
    priority: wanted.priority,
    arrival,
    position: -1,
    inline: {
      stdout: wanted.inline.stdout,
      stderr: wanted.inline.stderr,
      outputFiles: new Set(wanted.inline.outputFiles),
    },
    client,
    operations: new Set(),
    listeners: 0,
    keep: () => undefined,
    createdAt: now,
    queuedAt: now,
    attempts: 0,
    assignedAt: 0,
    attempt: undefined,
    settling: false,
  }
}

/** ByteStream names of an attempt's output. */
export function streamName(lease: string, which: 'stdout' | 'stderr'): string {
  return `streams/${lease}/${which}`
}

/** What the task's operations tell of it now. */
export function progressOf(task: Task): Progress {
  const { attempt } = task
  if (!attempt) return { queuedAt: task.createdAt }
  return {
    queuedAt: task.createdAt,
    worker: attempt.lease.worker.name,
    stdout: streamName(attempt.lease.id, 'stdout'),
    stderr: streamName(attempt.lease.id, 'stderr'),
  }
}
