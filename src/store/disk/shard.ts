/** Where a record lies. */
export interface Place {
  /** The segment's number, from 1. */
  readonly segment: number
  /** Where the record begins in the segment's file. */
  readonly offset: number
  /** Bytes of the value, without the record's header. */
  readonly length: number
}

/**
 * One open-addressing hash table in a typed array: hash words and size are the key, the place
 * and the last use the value. Linear probing; a removal shifts back what follows, so that
 * there are no tombstones. A cell holds all of an entry, so that looking one up touches one
 * line of the processor's cache; it is only good until the next insertion or removal.
 */
export interface Shard {
  count: number
  /** A power of two. */
  slots: number
  cells: Uint32Array
  /** A bit for each invocation that the entry of a slot is kept for (pins.ts); absent until the first one. */
  marks: Uint32Array | undefined
}

/** The words of a cell; those of the hash follow, big-endian as the hexadecimal digits are. */
export const cell = {
  /** 0 marks a free cell. */
  segment: 0,
  /** The mixed hash of the key, so that growing does not compute it again. */
  mix: 1,
  offset: 2,
  length: 3,
  /** Age (age.ts) of the last use. */
  used: 4,
  sizeLow: 5,
  sizeHigh: 6,
  /** What is known of its reuse (reuse.ts). */
  reuse: 7,
  key: 8,
} as const

/** What a lookup is for. */
export interface Key {
  /** As many words of the hash as the shard's function has. */
  readonly words: Uint32Array
  count: number
  size: number
  mix: number
}

const slotsAtFirst = 64
const loadMax = 0.6
const wordValues = 2 ** 32

export function emptyShard(words: number): Shard {
  const cells = new Uint32Array(slotsAtFirst * (cell.key + words))
  return { count: 0, slots: slotsAtFirst, cells, marks: undefined }
}

/** Where the key's cell begins, or -1. */
export function findCell({ slots, cells }: Shard, { words, count, size, mix }: Key): number {
  const stride = cell.key + count
  const end = slots * stride
  const low = size >>> 0
  for (let at = (mix & (slots - 1)) * stride; cells[at] !== 0; at = at + stride === end ? 0 : at + stride) {
    if (cells[at + cell.mix] !== mix || cells[at + cell.sizeLow] !== low) continue
    let word = 0
    while (word < count && cells[at + cell.key + word] === words[word]) word += 1
    if (word === count && sizeAt(cells, at) === size) return at
  }
  return -1
}

/** Where the most recently used cell with the key's hash begins, whatever its size, or -1. */
export function findLastUsed({ slots, cells }: Shard, { words, count, mix }: Key): number {
  const stride = cell.key + count
  const end = slots * stride
  let best = -1
  for (let at = (mix & (slots - 1)) * stride; cells[at] !== 0; at = at + stride === end ? 0 : at + stride) {
    if (cells[at + cell.mix] !== mix) continue
    let word = 0
    while (word < count && cells[at + cell.key + word] === words[word]) word += 1
    if (word < count) continue
    if (best < 0 || (cells[at + cell.used] ?? 0) > (cells[best + cell.used] ?? 0)) best = at
  }
  return best
}

/** A cell for a key that is absent; the caller fills in the value at once. */
export function insertCell(shard: Shard, { words, count, size, mix }: Key): number {
  if (shard.count + 1 > shard.slots * loadMax) grow(shard, cell.key + count)
  const at = freeCell(shard, cell.key + count, mix)
  const { cells } = shard
  for (let word = 0; word < count; word += 1) cells[at + cell.key + word] = words[word] ?? 0
  cells[at + cell.mix] = mix
  cells[at + cell.sizeLow] = size >>> 0
  cells[at + cell.sizeHigh] = Math.floor(size / wordValues)
  shard.count += 1
  return at
}

export function removeCell(shard: Shard, at: number, stride: number): void {
  const { cells, slots, marks } = shard
  const mask = slots - 1
  let hole = at / stride
  for (let next = (hole + 1) & mask; cells[next * stride] !== 0; next = (next + 1) & mask) {
    // An entry may move into the hole unless its probing begins after the hole.
    const home = (cells[next * stride + cell.mix] ?? 0) & mask
    if (((next - home) & mask) < ((next - hole) & mask)) continue
    cells.copyWithin(hole * stride, next * stride, (next + 1) * stride)
    if (marks) marks[hole] = marks[next] ?? 0
    hole = next
  }
  cells[hole * stride] = 0
  if (marks) marks[hole] = 0
  shard.count -= 1
}

export function sizeAt(cells: Uint32Array, at: number): number {
  return (cells[at + cell.sizeHigh] ?? 0) * wordValues + (cells[at + cell.sizeLow] ?? 0)
}

function freeCell({ cells, slots }: Shard, stride: number, mix: number): number {
  const end = slots * stride
  let at = (mix & (slots - 1)) * stride
  while (cells[at] !== 0) at = at + stride === end ? 0 : at + stride
  return at
}

function grow(shard: Shard, stride: number): void {
  const { marks } = shard
  const slots = shard.slots * 2
  const larger = {
    count: shard.count,
    slots,
    cells: new Uint32Array(shard.cells.length * 2),
    marks: marks && new Uint32Array(slots),
  }
  for (let at = 0; at < shard.cells.length; at += stride) {
    if (shard.cells[at] === 0) continue
    const target = freeCell(larger, stride, shard.cells[at + cell.mix] ?? 0)
    larger.cells.set(shard.cells.subarray(at, at + stride), target)
    if (marks && larger.marks) larger.marks[target / stride] = marks[at / stride] ?? 0
  }
  Object.assign(shard, larger)
}
