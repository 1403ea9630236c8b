import type { Recorder } from '../client/recorder.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, digestFromWire, type WireDigest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { computableFunctions } from '../core/hash.ts'
import type { InstanceNames } from '../core/instance.ts'
import { digestsPerCallMax } from '../core/limits.ts'
import type { Secret } from '../core/secret.ts'
import type { SharedSemaphore } from '../core/semaphore.ts'
import type { Blobs } from '../store/blobs.ts'
import type { ChunkedBlobs } from '../store/chunks/chunked.ts'
import type { Chunking } from '../store/chunks/functions.ts'
import type { Evictions } from '../store/evictions.ts'
import type { Pins } from '../store/pins.ts'
import type { Results } from '../store/results.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { BufferPool } from '../wire/pool.ts'
import type { Counts } from './counts.ts'
import type { Reads } from './reads.ts'

/** What a cache is made of. */
export interface CacheOptions {
  readonly blobs: Blobs
  readonly results: Results
  /** What the store has dropped for want of room; absent where it does not tell. */
  readonly evictions?: Evictions | undefined
  /** Keeps what builds were told or gave while they run; absent where the store does not. */
  readonly pins?: Pins | undefined
  /** The instance names that mean this server's one instance. */
  readonly instances: InstanceNames
  /** Whether clients may write action results. */
  readonly updateEnabled: boolean
  /** With what the scheduler signs the results that it writes, which are taken in any case; absent, all are clients. */
  readonly secret?: Secret | undefined
  /** Bytes of the largest blob that may be written; 0 is no bound but the store's own. */
  readonly blobSizeMax: number
  /** How blobs are cut into chunks where a client asks for them; as the API recommends by default. */
  readonly chunking?: Chunking | undefined
  /** Hears what clients ask for and store; absent, nobody does. */
  readonly recorder?: Recorder | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** What the handlers share. */
export interface CacheContext extends Omit<CacheOptions, 'metrics' | 'chunking'> {
  readonly blobs: ChunkedBlobs
  readonly counts: Counts
  /** Memory for blobs on their way from the store to clients. */
  readonly memory: BufferPool
  /** Who may compress a large blob, and how many wait for that. */
  readonly compressors: SharedSemaphore
  compressorsAwaited: number
  /** Who may read an action result. */
  readonly resultReads: SharedSemaphore
  /** Large blobs that are being read. */
  readonly reads: Reads
  /** How many are decompressed, each with 8 MiB and more when its client wants that. */
  decompressors: number
}

/** Smaller answers are made without a reservation: 10,000 of them fit into memory. */
export const promptBytesMax = 16 * 1024

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

/** Rule 17: is the blob larger than max_cas_blob_size_bytes says? 0 is no bound. */
export function isTooLarge(digest: Digest, blobSizeMax: number): boolean {
  return blobSizeMax > 0 && digest.size > blobSizeMax
}

/**
 * Rule 17: a blob may be no larger than max_cas_blob_size_bytes says.
 * @throws Failure 'invalid'
 */
export function assertBlobSize(digest: Digest, blobSizeMax: number): void {
  if (!isTooLarge(digest, blobSizeMax)) return
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
