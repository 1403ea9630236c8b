import type { Digest } from '../core/digest.ts'
import type { Checksum } from './checksum.ts'

/** Content that is in the cache. */
export interface Known {
  readonly digest: Digest
  /** The URI of the request that it is reported for. */
  readonly uri: string
}

/** Content that matches one of a request's checksums. */
export interface Checked {
  readonly digest: Digest
  /** Those of them that it is known to match. */
  readonly checksums: readonly Checksum[]
  /** When its retrieval began, in milliseconds since 1970; 0 if unknown. */
  readonly sinceMs: number
}

/** What came from an origin. */
export type Retrieved = Known & Checked
