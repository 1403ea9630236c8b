import { type Clock, systemClock } from '../core/clock.ts'
import type { Digest, DigestFunction } from '../core/digest.ts'
import { digestFunctions } from '../core/digest.ts'
import { batchBytesMax } from '../core/limits.ts'
import type { CallOptions, Channel } from '../wire/rpc.ts'
import type { RetryPolicy } from './retry.ts'

/** What every call of one client has in common. */
export interface Context {
  readonly channel: Channel
  readonly instance: string
  readonly fn: DigestFunction
  /** Bytes of blobs that one batch may hold. */
  readonly batchBytes: number
  /** Send and ask for zstd. */
  readonly zstd: boolean
  /** For a unary call; a stream gets more, by its size. */
  readonly timeoutMs: number
  readonly retries: RetryPolicy
  /** Calls in flight for one upload or download of many blobs. */
  readonly parallel: number
  readonly metadata: Readonly<Record<string, string>>
  /** Hears of bytes of blobs as they are sent; what is sent again counts again. */
  readonly onSent: ((bytes: number) => void) | undefined
}

/** What a client may be told; the rest has a default that suits every server. */
export interface ClientOptions {
  /** Default: the empty name. */
  readonly instance?: string
  /** Default: sha256. */
  readonly fn?: DigestFunction
  /** What the server said it takes in a batch (capabilities.ts); default: limits' batchBytesMax. */
  readonly batchBytes?: number
  readonly zstd?: boolean
  /** Default: 60 s. */
  readonly timeoutMs?: number
  /** Attempts in all; default 5. */
  readonly attemptsMax?: number
  /** Default 8. */
  readonly parallel?: number
  /** Sent with every call, for instance RequestMetadata (`...-bin`, base64). */
  readonly metadata?: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** Hears of bytes of blobs as they are sent. */
  readonly onSent?: (bytes: number) => void
}

/** Slower streams than this are taken for stalled: 128 KiB/s. */
const streamBytesPerMsMin = 128

/** Fills in the defaults. */
export function clientContext(channel: Channel, options: ClientOptions = {}): Context {
  return {
    channel,
    instance: options.instance ?? '',
    fn: options.fn ?? 'sha256',
    batchBytes: Math.min(options.batchBytes ?? batchBytesMax, batchBytesMax),
    zstd: options.zstd ?? false,
    timeoutMs: options.timeoutMs ?? 60_000,
    parallel: options.parallel ?? 8,
    metadata: options.metadata ?? {},
    onSent: options.onSent,
    retries: {
      attemptsMax: options.attemptsMax ?? 5,
      delayMsMin: 100,
      delayMsMax: 5_000,
      clock: options.clock ?? systemClock,
      random: Math.random,
    },
  }
}

/** The options of one call; a stream's time grows with the bytes that it carries. */
export function callOptions(context: Context, signal: AbortSignal | undefined, streamBytes = 0): CallOptions {
  const timeoutMs = context.timeoutMs + Math.ceil(streamBytes / streamBytesPerMsMin)
  return { metadata: context.metadata, timeoutMs, ...(signal && { signal }) }
}

/** A digest as messages have it. */
export function wireDigest(digest: Digest): { hash: string; sizeBytes: number } {
  return { hash: digest.hash, sizeBytes: digest.size }
}

/** The `digest_function` field of a request. */
export function functionValue(fn: DigestFunction): number {
  return digestFunctions[fn].value
}
