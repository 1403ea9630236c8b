import type { LocalHistory } from '../core/build-history.ts'
import type { CacheUsage } from '../core/cache-usage.ts'
import type { Digest } from '../core/digest.ts'
import type { InvocationHistory } from '../core/invocation.ts'
import type { RunningOutput, SchedulerView } from '../core/scheduler-view.ts'
import type { re } from '../wire/proto.ts'

/** What the pages are made of. All of these end with a Failure. */
export interface Sources {
  readonly history: LocalHistory & InvocationHistory
  /** What the scheduler does now; absent where nobody said where it is. */
  readonly scheduler?: (() => Promise<SchedulerView>) | undefined
  /** Absent where nobody said where the scheduler is. */
  readonly running?: RunningSource | undefined
  /** What the cache tells of itself: undefined where it does not answer; absent where nobody said where to ask. */
  readonly cache?: (() => Promise<CacheUsage | undefined>) | undefined
  readonly contents: Contents
}

/** The last lines of actions that run, by the hash of their digest. */
export interface RunningSource {
  /** Of one that waits or runs: it is followed for as long as somebody asks. */
  of(hash: string): RunningOutput
  /** Of any other, what is still there; undefined where that is nothing. */
  held(hash: string): RunningOutput | undefined
}

/** Results and files of actions, out of the cache. */
export interface Contents {
  /** Undefined where there is none any more. */
  result(action: Digest, instance: string, signal: AbortSignal): Promise<re.ActionResult | undefined>
  /** Fails before its first piece where the cache does not have it. */
  read(digest: Digest, instance: string, signal: AbortSignal): AsyncIterable<Uint8Array>
}
