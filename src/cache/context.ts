import type { Clock } from '../core/clock.ts'
import { type Digest, digestFromWire, type WireDigest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { SharedGate } from '../core/gate.ts'
import { computableFunctions } from '../core/hash.ts'
import { digestsPerCallMax } from '../core/limits.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Results } from '../store/results.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { BufferPool } from '../wire/pool.ts'
import type { Counts } from './counts.ts'
import type { Turns } from './turns.ts'

/** What a cache is made of. */
export interface CacheOptions {
  readonly blobs: Blobs
  readonly results: Results
  /** The instance names that mean this server's one instance. */
  readonly instances: ReadonlySet<string>
  /** Whether clients may write action results. */
  readonly updateEnabled: boolean
  /** Bytes of the largest blob that may be written; 0 is no bound but the store's own. */
  readonly blobSizeMax: number
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** What the handlers share. */
export interface Room extends Omit<CacheOptions, 'metrics'> {
  readonly counts: Counts
  /** Memory for blobs on their way from the store to clients. */
  readonly memory: BufferPool
  /** Who may begin a large answer. */
  readonly turns: Turns
  /** Who may compress a large blob. */
  readonly compressors: SharedGate
  /** How many are decompressed, each with 8 MiB and more when its client wants that. */
  decompressors: number
}

/**
 * Checks a digest that a client sent: well formed, and of a function that this server
 * computes, since it could never check a blob of another.
 * @param fn the request's DigestFunction.Value
 * @param field what the message calls it, for the error
 * @throws Failure 'invalid'
 */
export function requestDigest(wire: WireDigest | null | undefined, fn: number, field: string): Digest {
  return computable(digestFromWire(wire, fn, field))
}

/** @throws Failure 'invalid' when this server cannot compute the digest's function */
export function computable(digest: Digest): Digest {
  if (computableFunctions.includes(digest.fn)) return digest
  throw new Failure('invalid', `this server does not compute ${digest.fn} digests`, {
    next: [`It computes ${computableFunctions.join(', ')}.`],
  })
}

/**
 * Rule 17: a blob may be no larger than max_cas_blob_size_bytes says.
 * @throws Failure 'invalid'
 */
export function assertBlobSize(digest: Digest, blobSizeMax: number): void {
  if (blobSizeMax === 0 || digest.size <= blobSizeMax) return
  throw new Failure('invalid', `the blob has ${digest.size} bytes; this server takes at most ${blobSizeMax}`, {
    where: digest.hash,
  })
}

/**
 * Bounds the list of one call.
 * @throws Failure 'invalid'
 */
export function assertCallCount(count: number): void {
  if (count > digestsPerCallMax)
    throw new Failure('invalid', `the call names more than ${digestsPerCallMax} blobs`, { next: ['Split it.'] })
}
