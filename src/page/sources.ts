import type { LocalHistory } from '../core/build-history.ts'
import type { CacheUsage } from '../core/cache-usage.ts'
import type { Digest } from '../core/digest.ts'
import type { InvocationHistory } from '../core/invocation.ts'
import type { RunningOutput, SchedulerView } from '../core/scheduler-view.ts'
import type { re } from '../wire/proto.ts'

/** What the pages are made from. All of these fail with a Failure. */
export interface Sources {
  readonly history: LocalHistory & InvocationHistory
  /** The scheduler's current state; absent if no scheduler is configured. */
  readonly scheduler?: (() => Promise<SchedulerView>) | undefined
  /** Absent if no scheduler is configured. */
  readonly running?: RunningSource | undefined
  /** The cache's own report: undefined if it does not answer; absent if no address is configured. */
  readonly cache?: (() => Promise<CacheUsage | undefined>) | undefined
  readonly contents: Contents
}

/** The latest output of running actions, by the hash of their digest. */
export interface RunningSource {
  /** For a queued or running action: it is followed for as long as somebody asks. */
  of(hash: string): RunningOutput
  /** For any other, what is still there; undefined if nothing is. */
  held(hash: string): RunningOutput | undefined
}

/** Results and files of actions, from the cache. */
export interface Contents {
  /** Undefined if it is gone. */
  result(action: Digest, instance: string, signal: AbortSignal): Promise<re.ActionResult | undefined>
  /** Fails before its first piece if the cache does not have it. */
  read(digest: Digest, instance: string, signal: AbortSignal): AsyncIterable<Uint8Array>
}
