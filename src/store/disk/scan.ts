import fs from 'node:fs'
import { type Digest, digestKey } from '../../core/digest.ts'
import type { Footer, FooterEntry } from './footer.ts'
import { decodeHeader, headerBytesMax, type RecordHeader, valueBytesMax, valueIsSound } from './record.ts'
import { segmentHeaderBytes } from './segment.ts'

/** A piece of the file in memory; it holds any whole record. */
const windowBytes = 2 * valueBytesMax
const headerMax = headerBytesMax(valueBytesMax)

/**
 * What a segment without a sound footer holds, record by record. A record with a damaged value
 * is left out; at a damaged or torn header the scan ends, since nothing tells where the next
 * record begins.
 */
export function scanSegment(fd: number, fileBytes: number): Footer {
  const values = new Map<string, FooterEntry>()
  const deletions = new Map<string, Digest>()
  let end = segmentHeaderBytes
  for (const { header, offset, sound } of records(fd, fileBytes)) {
    const key = digestKey(header.digest)
    end = offset + header.headerBytes + header.length
    if (header.kind === 'deletion') {
      deletions.set(key, header.digest)
      values.delete(key)
    } else if (sound) {
      const { digest, length, reuse } = header
      values.set(key, { digest, offset, length, reuse })
    }
  }
  return { deletions: [...deletions.values()], values: [...values.values()], offset: end }
}

interface Found {
  readonly header: RecordHeader
  readonly offset: number
  /** Is the value what its checksums say? */
  readonly sound: boolean
}

function* records(fd: number, fileBytes: number): Generator<Found> {
  const buffer = Buffer.allocUnsafe(Math.min(windowBytes, fileBytes))
  let start = 0
  let filled = fs.readSync(fd, buffer, 0, buffer.length, 0)
  for (let offset = segmentHeaderBytes; ; ) {
    const fits = (bytes: number) => offset + bytes <= start + filled
    if (!fits(headerMax + valueBytesMax) && start + filled < fileBytes) {
      start = offset
      filled = fs.readSync(fd, buffer, 0, buffer.length, start)
    }
    const window = buffer.subarray(0, filled)
    const header = decodeHeader(window, offset - start)
    if (!header || !fits(header.headerBytes + header.length)) return
    const from = offset - start + header.headerBytes
    yield { header, offset, sound: valueIsSound(window.subarray(from, from + header.length), header.sums) }
    offset += header.headerBytes + header.length
  }
}
