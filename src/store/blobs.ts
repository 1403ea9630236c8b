import type { Digest, DigestFunction } from '../core/digest.ts'
import type { Holder } from './pins.ts'

/**
 * Where blobs live: the one contract of every backend and decorator. All of it is content
 * addressed: what is written under a digest has been checked to be that blob.
 * - The empty blob always exists (the rule is kept here, so that no caller needs to know it).
 * - Hash and size together name a blob; the right hash with another size is another blob.
 * - Finding, reading and writing a blob count as its use: it is evicted later for it.
 * Errors are Failures: 'exhausted' (no room and nothing to evict), 'invalid' (bytes are not
 * the digest's), 'out-of-range' (a read that begins behind the end), 'corrupt' (a blob turned
 * out to be damaged in the middle of a read; found earlier, it is absent; either way it is
 * dropped, and no wrong byte is given), 'unavailable', 'denied', 'cancelled'.
 */
export interface Blobs {
  /**
   * Those of the digests that are absent, each once. Touches those that are present.
   * @param holder keeps those that are present, if the backend has pins
   */
  findMissing(digests: readonly Digest[], holder?: Holder): Promise<Digest[]>
  /**
   * The digest of the blob that has this hash, for callers that know no size; undefined when it is
   * absent. Does not count as a use.
   * @param hash lower-case hexadecimal, as long as the function's are
   */
  locate(fn: DigestFunction, hash: string): Promise<Digest | undefined>
  /**
   * A whole blob, or undefined when it is absent. For blobs of at most smallBlobBytesMax;
   * larger ones are a 'invalid' Failure: read them in pieces. The caller must not write to
   * what it gets, unless it gave the memory for it.
   */
  get(digest: Digest, allocate?: Allocate): Promise<Uint8Array | undefined>
  /** Stores a whole blob of any size that is at hand. Copies what it keeps. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>
  /**
   * Stores many whole blobs at once, which is cheaper than a `put` for each. Each is stored or refused by itself.
   * @returns what `put` would have settled with for each, in the order given; it never rejects as a whole
   */
  putAll(blobs: readonly WholeBlob[]): Promise<readonly PromiseSettledResult<void>[]>
  /**
   * Opens a blob for reading; undefined when it is absent. A blob that is evicted while it is
   * read stays readable to its end. Pieces are at most chunkBytesMax long. What is opened must
   * be read to its end or ended by `return` of its iterator (leaving a `for await` does that):
   * until then it holds a file open, and the room of a blob that was evicted.
   * @param range offset in 0..size, limit > 0 or undefined for the rest
   */
  read(digest: Digest, range?: ReadRange, allocate?: Allocate): Promise<AsyncIterable<Uint8Array> | undefined>
  /**
   * Begins a write piece by piece. Room is taken as its bytes come: a size that is only announced
   * takes none from others.
   * @throws Failure 'exhausted' when the whole could never fit
   */
  write(digest: Digest): Promise<BlobWriter>
  /** Forgets a blob; nothing happens when it is absent. */
  delete(digest: Digest): Promise<void>
  /** Flushes and releases what it holds; no other call may follow. */
  close(): Promise<void>
}

/** A blob whose bytes are all at hand. */
export interface WholeBlob {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** What became of a blob of `putAll` that is stored. */
export const stored: PromiseFulfilledResult<void> = { status: 'fulfilled', value: undefined }

/**
 * Gives memory of so many bytes that a read may fill. What a backend answers lies in it, or in
 * memory of the backend's own where it has the bytes already; never do two pieces lie in the
 * same, and nobody else reads or writes it once the caller has the piece: whoever gave the
 * memory may then use it again.
 */
export type Allocate = (bytes: number) => Buffer

export interface ReadRange {
  readonly offset: number
  readonly limit?: number
}

/** One blob on its way in. Exactly one of commit and abort ends it. */
export interface BlobWriter {
  /** How many bytes it has taken. */
  readonly written: number
  /**
   * Takes the next bytes, copied or written before the promise settles; undefined when that is done already, as it
   * mostly is: a promise for each piece would cost a large upload more than its checksums.
   * @throws Failure, at once or by the promise: 'invalid' when more bytes come than the digest has; 'exhausted' when
   *   there is no room for them: nothing has been taken then, and the same bytes may be given again
   */
  write(chunk: Uint8Array): undefined | Promise<void>
  /**
   * Checks length and hash, and makes the blob readable: when this has settled, a kill -9
   * does not lose it.
   * @throws Failure 'invalid' when the bytes are not the digest's; 'exhausted' when there is no room: nothing is
   *   stored then, and it may be asked again
   */
  commit(): Promise<void>
  /** Drops what was written. May be called after a failed write or commit too. */
  abort(): Promise<void>
}
