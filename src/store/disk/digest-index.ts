import type { Digest, DigestFunction } from '../../core/digest.ts'
import { dateShard, entriesIn, type IndexEntry, placeAt, use } from './index-entries.ts'
import { createIndexMarks, createMark, type IndexMarks } from './index-marks.ts'
import { createIndexTables } from './index-tables.ts'
import type { MarksChanged } from './pin-tally.ts'
import { type Again, type Reuse, unknownReuse } from './reuse.ts'
import { cell, findCell, findLastUsed, insertCell, type Place, removeCell, type Shard, sizeAt } from './shard.ts'

/** From digests to places, in typed arrays: 64 bytes a cell for SHA-256, and no object for any. */
export interface DigestIndex extends IndexMarks {
  readonly count: number
  /** Is it there? Counts as a use at this age. */
  touch(digest: Digest, age: number, again: Again): boolean
  /** Where it lies; counts as a use at this age. */
  find(digest: Digest, age: number, again: Again): Place | undefined
  /** @param reuse what is known of it; unknownReuse leaves what was known of the same digest */
  set(digest: Digest, place: Place, age: number, reuse: Reuse): void
  /** Tells of all entries at once when they were used last, by their segment. */
  date(usedAt: (segment: number) => number): void
  delete(digest: Digest): boolean
  /** Is it there? Does not count as a use. */
  has(digest: Digest): boolean
  /** The digest with this hash, whatever its size, that was used last. Does not count as a use. */
  locate(fn: DigestFunction, hash: string): Digest | undefined
  /** Its record has been copied: it lies in another place now, unless it did not lie where the copy came from any more. */
  move(digest: Digest, from: Place, to: Place): void
  /** Does the digest still lie there, and nowhere newer? */
  liesAt(digest: Digest, segment: number, offset: number): boolean
  /** The entries of one segment, a batch for each part of the table, so that the caller may pause between. */
  entriesOf(segment: number): Generator<IndexEntry[]>
  /** All parts of the table, to be looked through one by one; much cheaper than listing entries. */
  parts(): Generator<IndexPart>
}

/**
 * One part of the table, as it is: a call for each entry would take longer than all that is done with it. Only to be
 * read, and the cells only until the next insertion or removal.
 */
export interface IndexPart {
  readonly fn: DigestFunction
  /** How many entries it has, and the words of all its cells, laid out as `cell` in shard.ts says. */
  readonly shard: Readonly<Pick<Shard, 'count' | 'cells' | 'marks'>>
  /** Words from one cell to the next. */
  readonly stride: number
}

/** An empty index. @param marked is told of every change to what invocations hold */
export function createDigestIndex(marked: MarksChanged = () => undefined): DigestIndex {
  const tables = createIndexTables()
  const { key, shardOf } = tables
  const mark = createMark(marked)

  return {
    get count() {
      let count = 0
      for (const { shards } of tables.all()) for (const shard of shards) count += shard.count
      return count
    },
    touch(digest, age, again) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return false
      use(shard.cells, at, age, again)
      return true
    },
    find(digest, age, again) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return undefined
      use(shard.cells, at, age, again)
      return placeAt(shard, at)
    },
    set(digest, { segment, offset, length }, age, reuse) {
      const shard = shardOf(digest)
      const found = findCell(shard, key)
      const at = found < 0 ? insertCell(shard, key) : found
      shard.cells[at + cell.segment] = segment
      shard.cells[at + cell.offset] = offset
      shard.cells[at + cell.length] = length
      shard.cells[at + cell.used] = age
      if (found < 0 || reuse !== unknownReuse) shard.cells[at + cell.reuse] = reuse
    },
    date(usedAt) {
      for (const { words, shards } of tables.all()) for (const shard of shards) dateShard(shard, words, usedAt)
    },
    delete(digest) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return false
      if (shard.marks) mark(digest.fn, shard, at, 0)
      removeCell(shard, at, cell.key + key.count)
      return true
    },
    ...createIndexMarks(tables, mark),
    has: (digest) => findCell(shardOf(digest), key) >= 0,
    locate(fn, hash) {
      const shard = shardOf({ fn, hash, size: 0 })
      const at = findLastUsed(shard, key)
      return at < 0 ? undefined : { fn, hash, size: sizeAt(shard.cells, at) }
    },
    move(digest, from, to) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      const { cells } = shard
      if (at < 0 || cells[at + cell.segment] !== from.segment || cells[at + cell.offset] !== from.offset) return
      cells[at + cell.segment] = to.segment
      cells[at + cell.offset] = to.offset
    },
    liesAt(digest, segment, offset) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      return at >= 0 && shard.cells[at + cell.segment] === segment && shard.cells[at + cell.offset] === offset
    },
    *entriesOf(segment) {
      for (const table of tables.all()) for (const shard of table.shards) yield entriesIn(table, shard, segment)
    },
    *parts() {
      for (const { fn, words, shards } of tables.all())
        for (const shard of shards) yield { fn, shard, stride: cell.key + words }
    },
  }
}
