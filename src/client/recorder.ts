import type { LookupAnswer } from '../core/build-history.ts'
import type { Digest } from '../core/digest.ts'
import type { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { requestMetadataHeader } from './request-metadata.ts'

/**
 * Where the cache and the scheduler put down what they see, for whoever explains builds later (the console). None of
 * these waits, fails, or costs more than a place in a list.
 */
export interface Recorder {
  /** A client asked for an action's result. */
  lookup(caller: Caller, action: Digest, found: Found): void
  /** A client ran an action by itself and stored its result. */
  update(caller: Caller, action: Digest, result: re.ActionResult.$Properties): void
  /** An Execute has ended. */
  execution(caller: Caller, action: Digest, ended: Ended): void
  /** An action was run a second time, to be compared. */
  repeat(caller: Caller, action: Digest, repeated: Repeated): void
  /** Bytes of blobs that a client sent, and was sent; those of one that says nothing of itself do not count. */
  traffic(metadata: string | undefined, received: number, sent: number): void
}

/** What two runs of one action came to. */
export interface Repeated {
  readonly isSame: boolean
  /** Without what is inlined. */
  readonly first: re.ActionResult.$Properties
  readonly second: re.ActionResult.$Properties
}

/** On whose behalf. */
export interface Caller {
  /** The RequestMetadata header as it came, in base64; undefined where there is none. */
  readonly metadata: string | undefined
  readonly instance: string
}

/** What the action cache had. */
export interface Found {
  readonly answer: LookupAnswer
  /** A blob that the result refers to and that is gone. */
  readonly missing?: Digest | undefined
  /** How long ago the result, or that blob, was evicted, in milliseconds; absent when that is not known. */
  readonly evictedMs?: number | undefined
}

/** How an Execute ended. */
export interface Ended {
  /** Its result was in the action cache. */
  readonly cached: boolean
  /** It shared the run of an identical action of another call. */
  readonly merged: boolean
  readonly skipCacheLookup: boolean
  readonly doNotCache: boolean
  /** A code of google.rpc, and its text where that is not 0. */
  readonly status: number
  readonly message: string
  readonly exitCode: number
  readonly metadata?: re.ExecutedActionMetadata.$Properties | null | undefined
  /** How often it was given to a worker. */
  readonly attempts: number
}

/** More than any tool writes; a longer one is not looked at. */
const headerLengthMax = 8192

/** The RequestMetadata header of a call as it came, in base64; undefined where there is none of a usual length. */
export function requestMetadataOf(call: Pick<Call, 'header'>): string | undefined {
  const value = call.header(requestMetadataHeader)
  return value === undefined || value.length > headerLengthMax ? undefined : value
}
