import type { Clock } from '../core/clock.ts'
import { type Digest, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { packAny } from '../wire/any.ts'
import { longrunning, re } from '../wire/proto.ts'
import { toTimestamp } from '../wire/time.ts'

/** The values of ExecutionStage that our operations go through. */
export type Stage = 'cache-check' | 'queued' | 'executing' | 'completed'

/** ExecutionStage.Value. */
export const stageValue: Readonly<Record<Stage, number>> = { 'cache-check': 1, queued: 2, executing: 3, completed: 4 }

/** The legal transitions. Back from executing to queued: its worker was lost (rule 29). */
const next: Readonly<Record<Stage, readonly Stage[]>> = {
  'cache-check': ['queued', 'completed'],
  queued: ['executing', 'completed'],
  executing: ['queued', 'completed'],
  completed: [],
}

/** What an operation's metadata says about its action now. */
export interface Progress {
  /** When the action was queued first, in milliseconds since 1970. */
  readonly queuedAt?: number
  readonly worker?: string
  /** ByteStream resource names for following the running action's output. */
  readonly stdout?: string
  readonly stderr?: string
}

/** One client's interest in one action: a google.longrunning.Operation. */
export interface Operation {
  readonly name: string
  readonly digest: Digest
  readonly stage: Stage
  readonly done: boolean
  /** Counts its changes. */
  readonly revision: number
  /** Bytes that it holds for as long as it is known: none before it is done. */
  readonly keptBytes: number
  /** The serialised google.longrunning.Operation as it is now. */
  encode(): Uint8Array
  /**
   * Moves to another stage, or, while not completed, stays in the same one with new progress.
   * @throws Failure 'internal' for an illegal transition
   */
  move(stage: Exclude<Stage, 'completed'>, progress: Progress): void
  /**
   * Ends it: COMPLETED, done, and the response set, all at once (rule 27). Failures of the action are part of the
   * response too; Operation.error is never set (rule 24).
   * @param response a serialised ExecuteResponse
   */
  complete(response: Uint8Array): void
  /** Settles on the next change, when the time is up, or when the signal aborts. */
  changed(ms: number, clock: Clock, signal: AbortSignal): Promise<void>
}

/** A new operation in the stage cache-check. */
export function createOperation(name: string, digest: Digest): Operation {
  let stage: Stage = 'cache-check'
  let progress: Progress = {}
  let revision = 0
  // Encoded for each caller until the operation ends: most are sent once, and many are queued.
  let ended: Uint8Array | undefined
  let waiting: Set<() => void> | undefined

  function enter(to: Stage): void {
    if (to !== stage && !next[stage].includes(to))
      throw new Failure('internal', `an operation cannot go from ${stage} to ${to}`, { where: name })
    if (stage === 'completed') throw new Failure('internal', 'a completed operation cannot change', { where: name })
    stage = to
    revision += 1
  }

  function notify(): void {
    for (const wake of [...(waiting ?? [])]) wake()
  }

  return {
    name,
    digest,
    get stage() {
      return stage
    },
    get done() {
      return stage === 'completed'
    },
    get revision() {
      return revision
    },
    get keptBytes() {
      return ended?.byteLength ?? 0
    },
    encode: () => ended ?? encodeOperation(name, digest, stage, progress),
    move(to, facts) {
      enter(to)
      progress = facts
      notify()
    },
    complete(bytes) {
      enter('completed')
      // A copy: freshly encoded bytes share a buffer with others and would keep all of it alive.
      ended = Uint8Array.from(encodeOperation(name, digest, stage, progress, bytes))
      progress = {}
      notify()
      waiting = undefined
    },
    changed: (ms, clock, signal) =>
      new Promise((resolve) => {
        const wake = () => {
          waiting?.delete(wake)
          cancel()
          signal.removeEventListener('abort', wake)
          resolve()
        }
        const cancel = clock.after(ms, wake)
        waiting ??= new Set()
        waiting.add(wake)
        signal.addEventListener('abort', wake, { once: true })
        if (signal.aborted) wake()
      }),
  }
}

/** Rule 29: metadata and response are Any messages of exactly these types. */
function encodeOperation(
  name: string,
  digest: Digest,
  stage: Stage,
  progress: Progress,
  response?: Uint8Array,
): Uint8Array {
  const metadata = re.ExecuteOperationMetadata.encode({
    stage: stageValue[stage],
    actionDigest: { hash: digest.hash, sizeBytes: digest.size },
    digestFunction: digestFunctions[digest.fn].value,
    stdoutStreamName: progress.stdout ?? '',
    stderrStreamName: progress.stderr ?? '',
    ...(progress.queuedAt !== undefined && {
      partialExecutionMetadata: { worker: progress.worker ?? '', queuedTimestamp: toTimestamp(progress.queuedAt) },
    }),
  }).finish()
  return longrunning.Operation.encode({
    name,
    metadata: packAny('build.bazel.remote.execution.v2.ExecuteOperationMetadata', metadata),
    done: stage === 'completed',
    ...(response && { response: packAny('build.bazel.remote.execution.v2.ExecuteResponse', response) }),
  }).finish()
}
