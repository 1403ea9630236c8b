import { ConnectionError, ErrorCode } from './protocol.ts'

/**
 * RFC 7541, appendix B: the code length of each byte, and of the end mark (256), in bits. The code is canonical: codes
 * of one length are consecutive in byte order, so the lengths define it.
 */
// biome-ignore format: a table
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]
const endMark = 256
const bitsMax = 30

/** What a table entry leads to: a byte and the bits that it used of eight, or another table. */
const table = buildTable()

/**
 * Decodes into the beginning of `target`.
 * @returns how many bytes; never more than 8/5 of the encoded ones
 * @throws ConnectionError COMPRESSION_ERROR for the end mark or wrong padding (section 5.2)
 */
export function huffmanDecode(source: Buffer, start: number, end: number, target: Buffer): number {
  let count = 0
  let node = 0
  let bits = 0
  /** Bits since the last complete byte; at the end they are padding: all ones, at most seven. */
  let pending = 0
  let current = 0
  for (let at = start; at < end; at += 1) {
    current = ((current << 8) | (source[at] ?? 0)) & 0xffff
    bits += 8
    pending += 8
    while (bits >= 8) {
      const entry = table[node + ((current >>> (bits - 8)) & 0xff)] ?? 0
      if (entry < 0) {
        node = -entry
        bits -= 8
      } else {
        if (entry >>> 4 === endMark) throw malformed()
        target[count] = entry >>> 4
        count += 1
        bits -= entry & 15
        node = 0
        pending = bits
      }
    }
  }
  while (bits > 0) {
    const entry = table[node + ((current << (8 - bits)) & 0xff)] ?? 0
    const used = entry & 15
    if (entry < 0 || used > bits || entry >>> 4 === endMark) break
    target[count] = entry >>> 4
    count += 1
    bits -= used
    node = 0
    pending = bits
  }
  if (pending > 7 || (current & ((1 << bits) - 1)) !== (1 << bits) - 1) throw malformed()
  return count
}

/** Tables of 256 entries, one after another; the first is at 0. */
function buildTable(): Int32Array {
  const entries: number[] = new Array(256).fill(0)
  let code = 0
  for (let length = 1; length <= bitsMax; length += 1) {
    for (let symbol = 0; symbol <= endMark; symbol += 1) {
      if (lengths[symbol] !== length) continue
      insert(entries, code, length, symbol)
      code += 1
    }
    code *= 2
  }
  return Int32Array.from(entries)
}

function insert(entries: number[], code: number, length: number, symbol: number): void {
  let node = 0
  let left = length
  while (left > 8) {
    const slot = node + ((code >>> (left - 8)) & 0xff)
    const next = -(entries[slot] ?? 0)
    if (next > 0) node = next
    else {
      node = entries.length
      entries[slot] = -node
      for (let each = 0; each < 256; each += 1) entries.push(0)
    }
    left -= 8
  }
  const first = (code << (8 - left)) & 0xff
  for (let each = 0; each < 1 << (8 - left); each += 1) entries[node + first + each] = symbol * 16 + left
}

function malformed(): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, 'malformed Huffman code in a header')
}
