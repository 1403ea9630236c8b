import type { Digest } from '../core/digest.ts'
import type { Checksum } from './checksum.ts'

/** Content that is there. */
export interface Known {
  readonly digest: Digest
  /** Which of the request's URIs it is told for. */
  readonly uri: string
}

/** Content of one of the checksums of a request. */
export interface Checked {
  readonly digest: Digest
  /** Those of them that it has been seen to have. */
  readonly checksums: readonly Checksum[]
  /** When its retrieval began, in milliseconds since 1970; 0 where that is not known. */
  readonly sinceMs: number
}

/** What came from an origin. */
export type Retrieved = Known & Checked
