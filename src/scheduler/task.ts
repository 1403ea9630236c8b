import { type Digest, digestText } from '../core/digest.ts'
import type { re, workerApi } from '../wire/proto.ts'
import type { RpcError } from '../wire/rpc.ts'
import type { Admitted } from './admission.ts'
import { type ClientFacts, clientFields } from './client.ts'
import { type ExecuteRequest, inlineFilesMax } from './execute-request.ts'
import type { Lease } from './lease.ts'
import type { Operation, Progress } from './operation.ts'
import type { Output } from './output.ts'
import type { Waiting } from './platform-queue.ts'
import { nothingPrefetched, type Prefetched } from './prefetched.ts'
import type { Taker } from './worker-pools.ts'

/** One action in flight. Identical requests share it, each client with its own operation. */
export interface Task extends Waiting {
  readonly digest: Digest
  readonly instance: string
  readonly action: Admitted
  /** For its first worker; a later one has to fetch. */
  readonly prefetched: Prefetched
  /** Its size in memory, as counted. */
  heldBytes: number
  /** What any of its clients wants inline; grows while the task is queued. */
  readonly inline: { stdout: boolean; stderr: boolean; readonly outputFiles: Set<string> }
  /** The first client that asked. */
  readonly client: ClientFacts
  readonly operations: Set<Operation>
  /** Streams that currently follow one of its operations. */
  listeners: number
  /** Until when clients that have left may come back, in milliseconds since 1970. */
  wantedUntil: number
  /** Stops the timer after which a task without listeners is cancelled. */
  keep: () => void
  /** When it was first queued, in milliseconds since 1970. */
  readonly createdAt: number
  /** How many times it was given to a worker. */
  attempts: number
  /** When it was last given to a worker. */
  assignedAt: number
  attempt: Attempt | undefined
  /** A worker killed it for memory; it was then queued once more, for a larger one. */
  killed: Killed | undefined
  /** Its worker has answered; only storing the result remains. */
  settling: boolean
  /** Where it is not to run; undefined if anywhere will do. */
  readonly avoided: Avoided | undefined
  /** No client is told about it: it is run to be compared with an earlier run. */
  readonly isRepeat: boolean
}

/** A run that was ended for memory. */
export interface Killed {
  readonly worker: string
  /** The limit there, in bytes. */
  readonly limit: number
  /** What clients get if no larger worker runs the action to its end. */
  readonly answer: re.ExecuteResponse.$Properties
}

/** The worker that a task is not to run on, as long as another one may come free. */
export interface Avoided {
  readonly worker: string
  /** It waits for another worker, and is in no queue. */
  waits: boolean
  /** When it last stopped waiting, no other worker could have run it. */
  isOnly: boolean
}

/** A task that a worker holds. */
export interface Attempt {
  readonly lease: Lease<Task, Worker>
  readonly stdout: Output
  readonly stderr: Output
}

/** A connected worker. */
export interface Worker extends Taker {
  readonly name: string
  readonly slots: number
  readonly version: string
  /** Identifies its process, in hexadecimal; empty if the worker does not give one. */
  readonly run: string
  readonly connectedAt: number
  /** When it last said anything. */
  heardAt: number
  /** It accepts no more actions and disconnects once its leases have ended. */
  leaving: boolean
  /** It gets no actions for a while: it had to give one back, and there are other workers. */
  resting: boolean
  tell(message: workerApi.ToWorker.$Properties): void
  /** Ends its stream with this error. */
  dismiss(error: RpcError): void
}

/** A task for an admitted action. */
export function createTask(
  request: ExecuteRequest,
  action: Admitted,
  prefetched: Prefetched,
  client: ClientFacts,
  arrival: number,
  now: number,
): Task {
  return {
    digest: request.digest,
    instance: request.instance,
    action,
    prefetched,
    heldBytes: 0,
    platform: action.platform,
    priority: request.priority,
    arrival,
    position: -1,
    unwanted: false,
    inline: {
      stdout: request.inline.stdout,
      stderr: request.inline.stderr,
      outputFiles: new Set(request.inline.outputFiles),
    },
    client,
    operations: new Set(),
    listeners: 0,
    wantedUntil: 0,
    keep: () => undefined,
    createdAt: now,
    queuedAt: now,
    attempts: 0,
    assignedAt: 0,
    attempt: undefined,
    killed: undefined,
    settling: false,
    avoided: request.notOn === '' ? undefined : { worker: request.notOn, waits: false, isOnly: false },
    isRepeat: false,
  }
}

/** Adds what another client wants inline. */
export function addInline({ inline }: Task, { stdout, stderr, outputFiles }: ExecuteRequest['inline']): void {
  inline.stdout ||= stdout
  inline.stderr ||= stderr
  for (const path of outputFiles) if (inline.outputFiles.size < inlineFilesMax) inline.outputFiles.add(path)
}

/** Another run of a task that has ended, for the scheduler alone. */
export function repeatOf(task: Task, now: number): Task {
  return {
    ...task,
    prefetched: nothingPrefetched,
    heldBytes: 0,
    position: -1,
    inline: { stdout: false, stderr: false, outputFiles: new Set() },
    operations: new Set(),
    listeners: 0,
    keep: () => undefined,
    createdAt: now,
    queuedAt: now,
    attempts: 0,
    attempt: undefined,
    killed: undefined,
    settling: false,
    avoided: undefined,
    isRepeat: true,
  }
}

/** ByteStream names of an attempt's output. */
export function streamName(lease: string, which: 'stdout' | 'stderr'): string {
  return `streams/${lease}/${which}`
}

/** Does it wait for a worker? */
export function isQueued({ position, avoided }: Task): boolean {
  return position >= 0 || avoided?.waits === true
}

/** What the task's operations currently report about it. */
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

/** What logs say about a task. */
export function taskFields(task: Task): object {
  return { action: digestText(task.digest), ...clientFields(task.client) }
}
