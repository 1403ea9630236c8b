import { type Digest, type DigestFunction, digestFunctions } from '../../core/digest.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import { bytesInSegment } from './footer.ts'
import { isMarked, use } from './index-entries.ts'
import type { IndexTables } from './index-tables.ts'
import type { Markable, MarksChanged } from './pin-tally.ts'
import type { Again } from './reuse.ts'
import { cell, findCell, type Shard } from './shard.ts'

/** What entries are kept for. */
export interface IndexMarks extends Omit<Markable, 'pin'> {
  /** Adds marks to an entry; counts as a use at this age. @returns those that it had; undefined when it is absent */
  pin(digest: Digest, bits: number, age: number, again: Again): number | undefined
  /** Is it kept for an invocation? Does not count as a use. */
  pinned(digest: Digest): boolean
}

/** Gives the cell these marks. */
export type Mark = (fn: DigestFunction, shard: Shard, at: number, after: number) => void

/** @param marked is told of every change to what invocations hold */
export function createMark(marked: MarksChanged): Mark {
  return (fn, { cells, marks }, at, after) => {
    const slot = at / (cell.key + digestFunctions[fn].hexLength / 8)
    const before = marks?.[slot] ?? 0
    if (!marks || before === after >>> 0) return
    marks[slot] = after
    marked(before, after, bytesInSegment(fn, cells[at + cell.length] ?? 0))
  }
}

export function createIndexMarks({ key, shardOf, all }: IndexTables, mark: Mark): IndexMarks {
  function unmarkShard(fn: DigestFunction, words: number, shard: Shard, bits: number): void {
    const { marks, slots } = shard
    if (!marks) return
    for (let slot = 0; slot < slots; slot += 1) {
      const before = marks[slot] ?? 0
      if ((before & bits) !== 0) mark(fn, shard, slot * (cell.key + words), before & ~bits)
    }
  }

  return {
    pin(digest, bits, age, again) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return undefined
      use(shard.cells, at, age, again)
      shard.marks ??= new Uint32Array(shard.slots)
      const before = shard.marks[at / (cell.key + key.count)] ?? 0
      if ((before & bits) !== bits) mark(digest.fn, shard, at, before | bits)
      return before
    },
    unpin(digest, bits) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at >= 0 && shard.marks) mark(digest.fn, shard, at, (shard.marks[at / (cell.key + key.count)] ?? 0) & ~bits)
    },
    async unpinAll(bits) {
      const slice = createTimeSlice(1)
      for (const { fn, words, shards } of all())
        for (const shard of shards) {
          unmarkShard(fn, words, shard, bits)
          if (slice.over) await slice.next()
        }
    },
    pinned(digest) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      return at >= 0 && isMarked(shard, at / (cell.key + key.count))
    },
  }
}
