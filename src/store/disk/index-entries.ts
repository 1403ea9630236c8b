import type { Digest } from '../../core/digest.ts'
import type { IndexTable } from './index-tables.ts'
import { type Again, burstSteps, type Reuse } from './reuse.ts'
import { cell, type Place, type Shard, sizeAt } from './shard.ts'

/** An entry as `entriesOf` lists it. */
export interface IndexEntry extends Place {
  readonly digest: Digest
  /** Age of the last use. */
  readonly used: number
  readonly reuse: Reuse
  /** It is kept for invocations that are live. */
  readonly pinned: boolean
}

/** Most uses follow soon after the last one; of those, only the age is recorded. */
export function use(cells: Uint32Array, at: number, age: number, again: Again): void {
  const steps = age - (cells[at + cell.used] ?? 0)
  if (steps >= burstSteps)
    cells[at + cell.reuse] = again(cells[at + cell.reuse] ?? 0, steps, cells[at + cell.length] ?? 0)
  cells[at + cell.used] = age
}

/** Tells of all entries of a shard when they were used last, by their segment. */
export function dateShard({ cells }: Shard, words: number, usedAt: (segment: number) => number): void {
  for (let at = 0; at < cells.length; at += cell.key + words) {
    const segment = cells[at + cell.segment] ?? 0
    if (segment !== 0) cells[at + cell.used] = usedAt(segment)
  }
}

export function isMarked({ marks }: Pick<Shard, 'marks'>, slot: number): boolean {
  return marks !== undefined && marks[slot] !== 0
}

/** The entries of a shard that lie in one segment. */
export function entriesIn({ fn, words }: IndexTable, { cells, marks }: Shard, segment: number): IndexEntry[] {
  const entries: IndexEntry[] = []
  for (let at = 0; at < cells.length; at += cell.key + words)
    if (cells[at + cell.segment] === segment)
      entries.push({
        digest: { fn, hash: hashAt(cells, at, words), size: sizeAt(cells, at) },
        used: cells[at + cell.used] ?? 0,
        reuse: cells[at + cell.reuse] ?? 0,
        segment,
        offset: cells[at + cell.offset] ?? 0,
        length: cells[at + cell.length] ?? 0,
        pinned: isMarked({ marks }, at / (cell.key + words)),
      })
  return entries
}

export function placeAt({ cells }: Shard, at: number): Place {
  return {
    segment: cells[at + cell.segment] ?? 0,
    offset: cells[at + cell.offset] ?? 0,
    length: cells[at + cell.length] ?? 0,
  }
}

const hashBytes = Buffer.alloc(64)

function hashAt(cells: Uint32Array, at: number, words: number): string {
  for (let word = 0; word < words; word += 1) hashBytes.writeUInt32BE(cells[at + cell.key + word] ?? 0, word * 4)
  return hashBytes.toString('hex', 0, words * 4)
}
