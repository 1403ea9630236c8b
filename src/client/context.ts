import { type Clock, systemClock } from '../core/clock.ts'
import type { Digest, DigestFunction } from '../core/digest.ts'
import { digestFunctions } from '../core/digest.ts'
import { batchBytesMax } from '../core/limits.ts'
import type { CallOptions, Channel } from '../wire/rpc.ts'
import type { RetryPolicy } from './retry.ts'

/** What all calls of a client have in common. */
export interface Context {
  readonly channel: Channel
  readonly instance: string
  readonly fn: DigestFunction
  /** Maximum bytes of blobs in a batch. */
  readonly batchBytes: number
  /** Use zstd in both directions. */
  readonly zstd: boolean
  /** For a unary call; streams get more, depending on size. */
  readonly timeoutMs: number
  readonly retries: RetryPolicy
  /** Calls in flight for one upload or download of many blobs. */
  readonly parallel: number
  readonly metadata: Readonly<Record<string, string>>
  /** Hears of bytes of blobs as they are sent; retransmissions count again. */
  readonly onSent: ((bytes: number) => void) | undefined
}

/** Options of a client; the defaults suit every server. */
export interface ClientOptions {
  /** Default: the empty instance name. */
  readonly instance?: string
  /** Default: sha256. */
  readonly fn?: DigestFunction
  /** The batch limit that the server announced (capabilities.ts); default: limits' batchBytesMax. */
  readonly batchBytes?: number
  readonly zstd?: boolean
  /** Default: 60 s. */
  readonly timeoutMs?: number
  /** Attempts in all; default 5. */
  readonly attemptsMax?: number
  /** Default 8. */
  readonly parallel?: number
  /** Sent with every call, RequestMetadata for instance (`...-bin`, base64). */
  readonly metadata?: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** Hears of bytes of blobs as they are sent. */
  readonly onSent?: (bytes: number) => void
}

/** Slower streams are considered stalled: 128 KiB/s. */
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

/** The options of one call; a stream's timeout grows with the bytes that it carries. */
export function callOptions(context: Context, signal: AbortSignal | undefined, streamBytes = 0): CallOptions {
  const timeoutMs = context.timeoutMs + Math.ceil(streamBytes / streamBytesPerMsMin)
  return { metadata: context.metadata, timeoutMs, ...(signal && { signal }) }
}

/** A digest as a message. */
export function wireDigest(digest: Digest): { hash: string; sizeBytes: number } {
  return { hash: digest.hash, sizeBytes: digest.size }
}

/** The `digest_function` value for a request. */
export function functionValue(fn: DigestFunction): number {
  return digestFunctions[fn].value
}
