import type { Digest } from '../../core/digest.ts'
import type { IndexEntry } from './index-entries.ts'
import type { RecordKind } from './record.ts'
import type { Reuse } from './reuse.ts'

/** A record on its way to disk. */
export interface Append {
  readonly kind: RecordKind
  readonly digest: Digest
  /** The value; or, for one that is carried over, the whole record as it was. */
  readonly parts: readonly Uint8Array[]
  /** Where a record that is carried over lay. */
  readonly from?: IndexEntry
  /** Of the whole record. */
  readonly bytes: number
  readonly reuse: Reuse
  /** Bytes of the value. */
  readonly length: number
}
