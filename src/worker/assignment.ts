import { type Digest, digestFromWire } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { re, type workerApi } from '../wire/proto.ts'
import { fromDuration, fromTimestamp } from '../wire/time.ts'

/** One action as the scheduler assigned it. */
export interface Assignment {
  readonly action: re.Action
  readonly digest: Digest
  readonly queuedAt: number | undefined
  readonly timeoutMs: number
  readonly inlineStdout: boolean
  readonly inlineStderr: boolean
  readonly inlineOutputFiles: readonly string[]
  /** Its Command and Directories, as far as they came with the assignment. */
  readonly blobs: readonly Uint8Array[]
  /** Unique within this worker; names the action's folder. */
  readonly number: number
  /** Kills the action. */
  readonly signal: AbortSignal
  readonly onStarted: () => void
  readonly onOutput: (stream: 'stdout' | 'stderr', data: Uint8Array) => void
}

/** What the scheduler's message says about it. */
type AssignmentFacts = Omit<Assignment, 'number' | 'signal' | 'onStarted' | 'onOutput'>

/** @throws Failure 'invalid' for a message that no scheduler should send */
export function assignmentOf(assign: workerApi.Assign.$Properties): AssignmentFacts {
  const digest = digestFromWire(assign.actionDigest, assign.digestFunction ?? 0, 'action_digest')
  const timeoutMs = fromDuration(assign.timeout ?? {}, 'timeout')
  return {
    action: decodeAction(assign.action ?? new Uint8Array()),
    digest,
    queuedAt: assign.queued ? fromTimestamp(assign.queued, 'queued') : undefined,
    timeoutMs: timeoutMs > 0 ? timeoutMs : Number.POSITIVE_INFINITY,
    inlineStdout: assign.inlineStdout ?? false,
    inlineStderr: assign.inlineStderr ?? false,
    inlineOutputFiles: assign.inlineOutputFiles ?? [],
    blobs: assign.blobs ?? [],
  }
}

function decodeAction(bytes: Uint8Array): re.Action {
  try {
    return re.Action.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', 'the assigned action cannot be decoded as an Action message', { cause })
  }
}
