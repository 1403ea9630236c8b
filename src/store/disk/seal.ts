import fs from 'node:fs'
import { promisify } from 'node:util'
import { createTimeSlice } from '../../host/time-slice.ts'
import type { DigestIndex } from './digest-index.ts'
import type { Durability } from './durability.ts'
import { encodeFooter } from './footer.ts'

import type { Segment } from './segment.ts'

const writeAsync = promisify(fs.write)
const syncData = promisify(fs.fdatasync)

/**
 * Writes what the segment holds behind its records, so that the next start need not scan it.
 * Nothing may be appended to it any more. What is deleted or replaced meanwhile is told by a
 * later segment.
 * @returns the length of the file
 */
export async function seal(segment: Segment, index: DigestIndex, durability: Durability): Promise<number> {
  const values = []
  const slice = createTimeSlice(1)
  for (const batch of index.entriesOf(segment.number)) {
    for (const entry of batch) values.push(entry)
    if (slice.over) await slice.next()
  }
  values.sort((a, b) => a.offset - b.offset)
  const footer = encodeFooter({ deletions: segment.deletions, values, offset: segment.bytes })
  for (let at = 0; at < footer.length; )
    at += (await writeAsync(segment.fd, footer, at, footer.length - at, segment.bytes + at)).bytesWritten
  if (durability === 'power') await syncData(segment.fd)
  return segment.bytes + footer.length
}
