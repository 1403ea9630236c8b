import type { LookupAnswer } from '../core/build-history.ts'
import type { Digest } from '../core/digest.ts'
import type { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { requestMetadataHeader } from './request-metadata.ts'

/**
 * Where the cache and the scheduler note what they see, for whoever explains builds later (the console). None of these
 * waits, fails, or costs more than appending to a list.
 */
export interface Recorder {
  /** A client looked up an action's result. */
  lookup(caller: Caller, action: Digest, found: Found): void
  /** A client ran an action itself and stored its result. */
  update(caller: Caller, action: Digest, result: re.ActionResult.$Properties): void
  /** An Execute has ended. */
  execution(caller: Caller, action: Digest, ended: Ended): void
  /** An action was run a second time for comparison. */
  repeat(caller: Caller, action: Digest, repeated: Repeated): void
  /**
   * Bytes of blobs that a client sent, received, and did not have to send since they were there; those of a client
   * without metadata do not count.
   */
  traffic(metadata: string | undefined, received: number, sent: number, saved?: number): void
}

/** The results of two runs of one action. */
export interface Repeated {
  readonly isSame: boolean
  /** Without inlined contents. */
  readonly first: re.ActionResult.$Properties
  readonly second: re.ActionResult.$Properties
}

/** The client on whose behalf. */
export interface Caller {
  /** The RequestMetadata header as received, in base64; undefined if there is none. */
  readonly metadata: string | undefined
  readonly instance: string
}

/** What the action cache found. */
export interface Found {
  readonly answer: LookupAnswer
  /** A blob that the result references and that is gone. */
  readonly missing?: Digest | undefined
  /** How long ago the result, or that blob, was evicted, in milliseconds; absent if unknown. */
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
  /** A google.rpc code, and its message if that is not 0. */
  readonly status: number
  readonly message: string
  readonly exitCode: number
  readonly metadata?: re.ExecutedActionMetadata.$Properties | null | undefined
  /** How often it was given to a worker. */
  readonly attempts: number
}

/** More than any tool writes; longer headers are ignored. */
const headerLengthMax = 8192

/** The RequestMetadata header of a call as received, in base64; undefined if there is none, or it is too long. */
export function requestMetadataOf(call: Pick<Call, 'header'>): string | undefined {
  const value = call.header(requestMetadataHeader)
  return value === undefined || value.length > headerLengthMax ? undefined : value
}
