import type { Chunker } from './chunker.ts'
import { gear } from './gear.ts'

/**
 * Where a blob is cut, so that two clients and a server cut alike: RepMaxCDC as E. Schouten has it ("Content-Defined
 * Chunking with tight chunk size bounds", 2026), as the Remote Execution API prescribes for REP_MAX_CDC.
 *
 * A chunk ends where the hash of the 64 bytes before is the greatest of all places from `minBytes` behind its beginning
 * to `horizonBytes` further on, the first of them if there are several. Where that leaves `minBytes` or more for
 * another chunk before it, the same is asked again of the places up to `minBytes` before that one, and so on.
 */
export interface RepMaxCdcParams {
  /** No chunk is shorter, unless the blob is, and all are shorter than twice this. At least 64. */
  readonly minBytes: number
  /** 0 makes all chunks `minBytes` long but the last. */
  readonly horizonBytes: number
}

/** Bytes that a hash is made of: what came earlier has been shifted out of its 64 bits. */
const windowBytes = 64

/**
 * The hash has 64 bits, in two halves of 32. Each is kept less 2^31, so that signed numbers compare as unsigned ones
 * do: a shift drops that difference, and the table adds it again. The upper half of the table has one more, from which
 * `rise` subtracts the inverted bit that the lower half shifts out.
 */
const sign = 0x80_00_00_00
const lowerGear = Int32Array.from(gear, (md5) => md5.readInt32BE(4) ^ sign)
const upperGear = Int32Array.from(gear, (md5) => (md5.readInt32BE(0) ^ sign) + 1)

/** Looking for the end of a chunk: the first place where it could be, and each at which the hash is greater than at all before. */
interface Search {
  /** Strictly rising hashes; counted in bytes from the blob's beginning. */
  places: number[]
  /** The place up to which has been looked, and the hash there. */
  at: number
  upper: number
  lower: number
  /** The hash at the last of the places. */
  bestUpper: number
  bestLower: number
}

/** @param size bytes of the whole blob: its last chunk ends there */
export function createRepMaxCdcChunker({ minBytes, horizonBytes }: RepMaxCdcParams, size: number): Chunker {
  /** What has come and is in no chunk yet, and as much room again, so that each byte is moved at most once. */
  const held = Buffer.allocUnsafe(Math.min(size, 2 * (horizonBytes + 2 * minBytes)))
  let heldFrom = 0
  let heldTo = 0
  /** Where the next chunk begins. */
  let start = 0
  let search: Search | undefined
  /** Where the next chunks end, those that are known, the next one last. */
  let ends: number[] = []

  /** @returns how many of the bytes from there on found room */
  function hold(piece: Uint8Array, from: number): number {
    if (heldTo - heldFrom === held.length) {
      held.copyWithin(0, start - heldFrom)
      heldFrom = start
    }
    const room = held.length - (heldTo - heldFrom)
    const count = Math.min(room, piece.length - from)
    held.set(piece.subarray(from, from + count), heldTo - heldFrom)
    heldTo += count
    return count
  }

  /** A search whose first place is this one, of which the bytes before are held. */
  function searchFrom(place: number): Search {
    const hash = { upper: 0, lower: 0, bestUpper: 0, bestLower: 0 }
    const search: Search = { ...hash, at: place - windowBytes, places: [] }
    rise(search, held, heldFrom, place)
    return { ...search, places: [place], bestUpper: search.upper, bestLower: search.lower }
  }

  /** @returns undefined when it takes more bytes to know */
  function nextEnd(): number | undefined {
    if (ends.length > 0) return ends.pop()
    if (start === size) return undefined
    if (size - start < 2 * minBytes) return heldTo === size ? size : undefined
    const first = start + minBytes
    if (heldTo < first) return undefined
    search ??= searchFrom(first)
    const limit = Math.min(first + horizonBytes, size - minBytes)
    if (riseTo(search, Math.min(limit, heldTo))) {
      // Whatever is greater behind it leaves room for a chunk that begins here: these ends are as they are.
      ends = endsDown(search.places, minBytes)
      search = undefined
      return ends.pop()
    }
    if (search.at < limit) return undefined
    const end = endsDown(search.places, minBytes).at(-1) ?? first
    search = searchBehind(end, search)
    return end
  }

  /** @returns whether it came to a place that no other has exceeded within `minBytes` */
  function riseTo(each: Search, to: number): boolean {
    for (;;) {
      const alone = (each.places.at(-1) ?? 0) + minBytes - 1
      if (each.at === alone) return true
      if (each.at >= to) return false
      rise(each, held, heldFrom, Math.min(alone, to))
    }
  }

  /** The search for the end of the chunk that begins there. What has been found behind its first place holds for it too. */
  function searchBehind(end: number, before: Search): Search | undefined {
    const first = end + minBytes
    const index = before.places.findIndex((place) => place >= first)
    if (index < 0) return undefined
    const found = before.places.slice(index)
    const next = found[0] as number
    if (next === first) return { ...before, places: found }
    const between = searchFrom(first)
    rise(between, held, heldFrom, next - 1)
    return { ...before, places: between.places.concat(found) }
  }

  return {
    *take(piece) {
      for (let from = 0; from < piece.length; ) {
        from += hold(piece, from)
        for (let end = nextEnd(); end !== undefined; end = nextEnd()) {
          const chunk = held.subarray(start - heldFrom, end - heldFrom)
          start = end
          yield chunk
        }
      }
    },
  }
}

/**
 * Goes on to a place, and adds those where the hash is greater than at all before.
 * @param held bytes of the blob, from `heldFrom` on
 */
function rise(search: Search, held: Uint8Array, heldFrom: number, to: number): void {
  // In variables of the function's own, where the compiler keeps them in registers.
  let { upper, lower, bestUpper, bestLower } = search
  for (let at = search.at - heldFrom; at < to - heldFrom; at += 1) {
    const byte = held[at] as number
    const added = lowerGear[byte] as number
    const sum = ((lower << 1) + added) | 0
    // Without a branch: it would be foretold wrongly every other time. And the upper half waits for one sum only.
    const more = ((upperGear[byte] as number) - (lower >>> 31) + +(sum < added)) | 0
    upper = ((upper << 1) + more) | 0
    lower = sum
    if (upper >= bestUpper && (upper > bestUpper || lower > bestLower)) {
      bestUpper = upper
      bestLower = lower
      search.places.push(at + heldFrom + 1)
    }
  }
  Object.assign(search, { at: to, upper, lower, bestUpper, bestLower })
}

/**
 * Where chunks end of which the last ends at the last of these places: each before at the last place that leaves
 * `minBytes` for the one behind it, down to an end within `minBytes` of the first place.
 */
function endsDown(places: readonly number[], minBytes: number): number[] {
  const first = places[0] ?? 0
  const ends: number[] = []
  let bound = Number.POSITIVE_INFINITY
  for (let index = places.length - 1; index >= 0 && bound >= first; index -= 1) {
    const place = places[index] as number
    if (place > bound) continue
    ends.push(place)
    bound = place - minBytes
  }
  return ends
}
