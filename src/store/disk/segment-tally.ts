import type { TimeSlice } from '../../host/time-slice.ts'

/** Bytes by segment and by class of values: an open-addressing hash table in typed arrays, as the index is (shard.ts). */
export interface SegmentTally {
  count: number
  /** Of `slotBits` bits, how many slots there are. */
  slotBits: number
  /** Two words a slot: the segment, 0 where the slot is free, and the class. */
  keys: Uint32Array
  bytes: Float64Array
}

const slotBitsAtFirst = 10
const loadMax = 0.5
/** So many are looked at without asking whether the slice is over. */
const blockSlots = 2 ** slotBitsAtFirst

export function emptySegmentTally(slotBits = slotBitsAtFirst): SegmentTally {
  const slots = 2 ** slotBits
  return { count: 0, slotBits, keys: new Uint32Array(2 * slots), bytes: new Float64Array(slots) }
}

/** Is there room for this many more pairs of a segment and a class? */
export function hasRoomFor({ count, bytes }: SegmentTally, pairs: number): boolean {
  return count + pairs <= bytes.length * loadMax
}

/** Makes room for this many more pairs. Nothing may be added meanwhile. */
export async function makeRoomFor(tally: SegmentTally, pairs: number, slice: TimeSlice): Promise<void> {
  let { slotBits } = tally
  while (tally.count + pairs > 2 ** slotBits * loadMax) slotBits += 1
  const larger = emptySegmentTally(slotBits)
  await eachOfSegments(tally, slice, (segment, each, bytes) => addToSegment(larger, segment, each, bytes))
  Object.assign(tally, larger)
}

/**
 * Adds bytes to what is known of a segment and a class. There must be room for one more pair.
 * @param segment from 1
 * @param each a class, as a u32
 */
export function addToSegment(tally: SegmentTally, segment: number, each: number, more: number): void {
  const slot = slotOf(tally, segment, each)
  const { keys, bytes } = tally
  if (keys[2 * slot] === 0) {
    keys[2 * slot] = segment
    keys[2 * slot + 1] = each
    bytes[slot] = more
    tally.count += 1
  } else bytes[slot] = (bytes[slot] ?? 0) + more
}

/** Shows what each segment has of each class, in slices. Nothing may be added meanwhile. */
export async function eachOfSegments(
  { keys, bytes }: SegmentTally,
  slice: TimeSlice,
  see: (segment: number, each: number, bytes: number) => void,
): Promise<void> {
  for (let block = 0; block < bytes.length; block += blockSlots) {
    const end = Math.min(bytes.length, block + blockSlots)
    for (let slot = block; slot < end; slot += 1) {
      const segment = keys[2 * slot] ?? 0
      if (segment !== 0) see(segment, keys[2 * slot + 1] ?? 0, bytes[slot] ?? 0)
    }
    if (slice.over) await slice.next()
  }
}

/** Where the pair is, or would be. */
function slotOf({ slotBits, keys, bytes }: SegmentTally, segment: number, each: number): number {
  const mask = bytes.length - 1
  let slot = (Math.imul(segment, 0x9e3779b1) ^ Math.imul(each, 0x85ebca6b)) >>> (32 - slotBits)
  while (keys[2 * slot] !== 0 && (keys[2 * slot] !== segment || keys[2 * slot + 1] !== each)) slot = (slot + 1) & mask
  return slot
}
