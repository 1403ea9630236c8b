import type { Chunker } from './chunker.ts'
import { gear } from './gear.ts'

/**
 * Where a blob is cut, so that two clients and a server cut alike: FastCDC as W. Xia et al. have
 * it ("The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems",
 * 2020), with normalization level 2, as the Remote Execution API prescribes for FAST_CDC_2020.
 */
export interface FastCdcParams {
  /** A power of two from 2^10 to 2^20. */
  readonly averageBytes: number
  /** 32 bits that every value of the gear table is mixed with. */
  readonly seed: number
  /** Nothing is cut before; a quarter of the average by default. */
  readonly minBytes?: number
  /** Everything is cut there; four times the average by default. */
  readonly maxBytes?: number
}

/** Finds the ends of chunks in a blob whose bytes come in pieces. */
export interface Cutter {
  /**
   * @param from where in the piece to go on: 0, or the end that was found last
   * @returns where in the piece the chunk ends, or -1 when it goes on in the next piece
   */
  next(piece: Uint8Array, from: number): number
}

/** By how many bits the mask before the average is stricter, and the one behind it laxer. */
const normalization = 2

/** For so many bits, from 8 on: the masks of the paper's own implementation and, from 18 bits on, those that followed it. */
const firstMaskBits = 8
const masks = [
  0x000018_00035300, 0x000190_00353000, 0x005900_03530000, 0x00d900_03530000, 0x00d901_03530000, 0x00d903_03530000,
  0x00d903_13530000, 0x00d90f_03530000, 0x00d903_03537000, 0x00d907_03537000, 0x00d907_07537000, 0x00d917_07537000,
  0x00d917_47537000, 0x00d917_67537000, 0x00d937_67537000,
]

/**
 * The hash has 64 bits, of which no mask looks at the upper 16 and which reach no lower ones: two
 * halves of 24 bits make the same cuts, and stay small integers.
 */
const halfBits = 24
const half = 2 ** halfBits

/** @param size bytes of the whole blob: its last chunk ends there */
export function createCutter(params: FastCdcParams, size: number): Cutter {
  const { averageBytes, seed } = params
  const minBytes = minBytesOf(params)
  const maxBytes = maxBytesOf(params)
  const bits = Math.log2(averageBytes)
  const strict = maskOf(bits + normalization)
  const lax = maskOf(bits - normalization)
  const upperGear = Int32Array.from(gear, (md5) => md5.readUIntBE(2, 3) ^ (seed >>> halfBits))
  const lowerGear = Int32Array.from(gear, (md5) => md5.readUIntBE(5, 3) ^ (seed & (half - 1)))
  /** Bytes of the blob from the chunk's beginning on, and what of the chunk has been looked at. */
  let left = size
  let length = 0
  let upper = 0
  let lower = 0

  /** Where in a part of the piece the hash meets the mask; -1 when it does nowhere. */
  function scan(piece: Uint8Array, from: number, to: number, mask: Mask): number {
    // In variables of the function's own, where the compiler keeps them in registers.
    const [lowers, uppers, lowerMask, upperMask] = [lowerGear, upperGear, mask.lower, mask.upper]
    let high = upper
    let low = lower
    for (let at = from; at < to; at += 1) {
      const byte = piece[at] as number
      low = (low << 1) + (lowers[byte] as number)
      high = ((high << 1) + (uppers[byte] as number) + (low >>> halfBits)) & 0xff_ff_ff
      low &= 0xff_ff_ff
      if (((high & upperMask) | (low & lowerMask)) === 0) return at
    }
    upper = high
    lower = low
    return -1
  }

  function endAt(chunkBytes: number): number {
    left -= chunkBytes
    length = 0
    upper = 0
    lower = 0
    return chunkBytes
  }

  return {
    next(piece, from) {
      const start = from - length
      const limit = Math.min(left, maxBytes)
      if (left > minBytes) {
        // The paper goes two bytes at a time: an odd one at the end is not looked at.
        const center = start + even(Math.min(limit, averageBytes))
        const end = start + even(limit)
        let cut = scan(piece, Math.max(from, start + minBytes), Math.min(piece.length, center), strict)
        if (cut < 0) cut = scan(piece, Math.max(from, center), Math.min(piece.length, end), lax)
        if (cut >= 0) return start + endAt(cut - start)
      }
      if (piece.length - start >= limit) return start + endAt(limit)
      length = piece.length - start
      return -1
    },
  }
}

/** @param size bytes of the whole blob: its last chunk ends there */
export function createFastCdcChunker(params: FastCdcParams, size: number): Chunker {
  const cutter = createCutter(params, size)
  /** The chunk so far. */
  let parts: Uint8Array[] = []
  return {
    *take(piece) {
      for (let from = 0; from < piece.length; ) {
        const end = cutter.next(piece, from)
        parts.push(piece.subarray(from, end < 0 ? piece.length : end))
        if (end < 0) return
        const chunk = Buffer.concat(parts)
        parts = []
        yield chunk
        from = end
      }
    },
  }
}

/** No chunk but a blob's last one is shorter. */
export function minBytesOf({ averageBytes, minBytes }: FastCdcParams): number {
  return minBytes ?? averageBytes / 4
}

/** No chunk is longer. */
export function maxBytesOf({ averageBytes, maxBytes }: FastCdcParams): number {
  return maxBytes ?? averageBytes * 4
}

interface Mask {
  readonly upper: number
  readonly lower: number
}

function maskOf(bits: number): Mask {
  const mask = masks[bits - firstMaskBits] ?? 0
  return { upper: Math.floor(mask / half), lower: mask % half }
}

function even(value: number): number {
  return value - (value % 2)
}
