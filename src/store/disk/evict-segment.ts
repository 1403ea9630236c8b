import { createTimeSlice } from '../../host/time-slice.ts'
import type { Append } from './append.ts'
import type { DigestIndex } from './digest-index.ts'
import type { FileIo } from './file-io.ts'
import { bytesInSegment } from './footer.ts'
import type { IndexEntry } from './index-entries.ts'
import { decodeHeader, recordBytes, rewriteReuse, valueIsSound } from './record.ts'
import type { Segment } from './segment.ts'
import type { Survey } from './survey.ts'

export interface EvictSegmentOptions {
  readonly segment: Segment
  readonly index: DigestIndex
  readonly io: FileIo
  /** Tells what is carried over. */
  readonly survey: Survey
  /** What may be carried over in all, in bytes, beside what is pinned; what ranks first comes first. */
  readonly bytesMax: number
  append(record: Append): Promise<void>
  /** A value is gone. */
  dropped(entry: IndexEntry): void
}

/** Bytes that are in memory at once on their way over. */
const windowBytesMax = 1024 * 1024

/**
 * Takes all values out of a segment: those that are to be kept are appended again, the others
 * are absent from the moment on at which that is decided, so that none is called present and
 * then dropped. Damaged ones stay behind.
 * @throws what `append` throws; what was not carried over until then lies there still
 */
export async function emptySegment(options: EvictSegmentOptions): Promise<void> {
  const { segment, index, dropped } = options
  const kept = await divide(options)
  try {
    await carryOver(kept, options)
  } finally {
    for (const entry of kept)
      if (index.liesAt(entry.digest, segment.number, entry.offset)) {
        index.delete(entry.digest)
        dropped(entry)
      }
  }
}

/** Deletes what is not to be kept; what is, in the order in which it lies. */
async function divide({ segment, index, survey, bytesMax, dropped }: EvictSegmentOptions): Promise<IndexEntry[]> {
  const kept: IndexEntry[] = []
  const slice = createTimeSlice(1)
  for (const batch of index.entriesOf(segment.number)) {
    for (const entry of batch)
      if (entry.pinned || survey.keeps(entry.used, entry.reuse)) kept.push(entry)
      else if (index.delete(entry.digest)) dropped(entry)
    if (slice.over) await slice.next()
  }
  // What has been pinned, or is not any more, since it was listed counts as it is now.
  const pinned = kept.filter(({ digest }) => index.pinned(digest))
  const { fitting, others } = firstWithin(
    pinned.length === 0 ? kept : kept.filter(({ digest }) => !index.pinned(digest)),
    bytesMax,
    survey,
  )
  for (const entry of others)
    if (index.liesAt(entry.digest, segment.number, entry.offset) && index.delete(entry.digest)) dropped(entry)
  return [...pinned, ...fitting].sort((a, b) => a.offset - b.offset)
}

/** What ranks first, up to this many bytes; usually that is everything, and needs no sorting. */
function firstWithin(
  entries: IndexEntry[],
  bytesMax: number,
  survey: Survey,
): { readonly fitting: IndexEntry[]; readonly others: readonly IndexEntry[] } {
  if (entries.reduce((sum, entry) => sum + bytesOf(entry), 0) <= bytesMax) return { fitting: entries, others: [] }
  const ranked = entries
    .map((entry) => ({ entry, place: survey.place(entry.used, entry.reuse) }))
    .sort((a, b) => a.place - b.place)
    .map(({ entry }) => entry)
  let left = bytesMax
  const end = ranked.findIndex((entry) => {
    left -= bytesOf(entry)
    return left < 0
  })
  return { fitting: ranked.slice(0, end), others: ranked.slice(end) }
}

async function carryOver(entries: readonly IndexEntry[], options: EvictSegmentOptions): Promise<void> {
  const { append } = options
  let bytesInFlight = 0
  let inFlight: Promise<void>[] = []
  for (const entry of entries) {
    const record = await soundRecord(entry, options)
    if (!record) continue
    const { digest, length, reuse } = entry
    inFlight.push(append({ kind: 'value', digest, parts: [record], from: entry, length, bytes: record.length, reuse }))
    bytesInFlight += record.length
    if (bytesInFlight < windowBytesMax) continue
    await settled(inFlight)
    inFlight = []
    bytesInFlight = 0
  }
  await settled(inFlight)
}

/** Waits for all, so that none is on its way any more when one has failed. */
async function settled(appends: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(appends)
  await Promise.all(appends)
}

async function soundRecord(
  { digest, offset, length, reuse }: IndexEntry,
  { segment, io }: EvictSegmentOptions,
): Promise<Buffer | undefined> {
  const record = Buffer.allocUnsafeSlow(recordBytes(digest.fn, length))
  if ((await io.read(segment.fd, record, offset)) < record.length) return undefined
  const header = decodeHeader(record, 0)
  if (header?.digest.hash !== digest.hash) return undefined
  if (!valueIsSound(record.subarray(header.headerBytes), header.sums)) return undefined
  rewriteReuse(record, header, reuse)
  return record
}

function bytesOf({ digest, length }: IndexEntry): number {
  return bytesInSegment(digest.fn, length)
}
