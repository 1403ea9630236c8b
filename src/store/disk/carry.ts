import type { Append } from './appender.ts'
import type { DigestIndex, IndexEntry } from './digest-index.ts'
import { footerEntryBytes } from './footer.ts'
import { createPause } from './pause.ts'
import { decodeHeader, recordBytes, valueIsSound } from './record.ts'
import type { Segment } from './segment.ts'
import type { Transfer } from './transfer.ts'

export interface CarryOptions {
  /** The segment that is about to be evicted. */
  readonly segment: Segment
  readonly index: DigestIndex
  readonly transfer: Transfer
  /** What may be carried over: less than a full segment, so that eviction makes room. */
  readonly bytesMax: number
  append(record: Append): Promise<void>
}

/** Bytes that are in memory at once on their way over. */
const windowBytesMax = 1024 * 1024

/**
 * Appends the segment's values again that were used after the segment was finished, the last
 * used first while there is room. Damaged ones stay behind.
 */
export async function carryOver({ segment, index, transfer, bytesMax, append }: CarryOptions): Promise<void> {
  let bytesInFlight = 0
  let inFlight: Promise<void>[] = []
  for (const entry of await chosen(segment, index, bytesMax)) {
    const { digest, offset, length } = entry
    const record = Buffer.allocUnsafeSlow(recordBytes(digest.fn, length))
    if ((await transfer.read(segment.fd, record, offset)) < record.length) continue
    const header = decodeHeader(record, 0)
    if (header?.digest.hash !== digest.hash || !valueIsSound(record.subarray(header.headerBytes), header.sums)) continue
    inFlight.push(append({ kind: 'value', digest, parts: [record], from: entry, length, bytes: record.length }))
    bytesInFlight += record.length
    if (bytesInFlight < windowBytesMax) continue
    await Promise.all(inFlight)
    inFlight = []
    bytesInFlight = 0
  }
  await Promise.all(inFlight)
}

async function chosen(segment: Segment, index: DigestIndex, bytesMax: number): Promise<IndexEntry[]> {
  const candidates: IndexEntry[] = []
  const pause = createPause()
  for (const batch of index.entriesOf(segment.number)) {
    for (const entry of batch) if (entry.used > segment.lastAt) candidates.push(entry)
    await pause(batch.length)
  }
  candidates.sort((a, b) => b.used - a.used)
  let left = bytesMax
  const taken = candidates.filter(({ digest, length }) => {
    const bytes = recordBytes(digest.fn, length) + footerEntryBytes(digest.fn)
    if (bytes > left) return false
    left -= bytes
    return true
  })
  return taken.sort((a, b) => a.offset - b.offset)
}
