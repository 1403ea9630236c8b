import { type Digest, type DigestFunction, digestFunctions } from '../../core/digest.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import { bytesInSegment } from './footer.ts'
import { createMixer } from './mixer.ts'
import type { Markable, MarksChanged } from './pin-tally.ts'
import { type Again, burstSteps, type Reuse, unknownReuse } from './reuse.ts'
import {
  cell,
  emptyShard,
  findCell,
  findLastUsed,
  insertCell,
  type Key,
  type Place,
  removeCell,
  type Shard,
  sizeAt,
} from './shard.ts'

/** An entry as `entriesOf` lists it. */
export interface IndexEntry extends Place {
  readonly digest: Digest
  /** Age of the last use. */
  readonly used: number
  readonly reuse: Reuse
  /** It is kept for invocations that are live. */
  readonly pinned: boolean
}

/** From digests to places, in typed arrays: 64 bytes a cell for SHA-256, and no object for any. */
export interface DigestIndex extends Omit<Markable, 'pin'> {
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
  /** Adds marks to an entry; counts as a use at this age. @returns those that it had; undefined when it is absent */
  pin(digest: Digest, bits: number, age: number, again: Again): number | undefined
  /** Is it kept for an invocation? Does not count as a use. */
  pinned(digest: Digest): boolean
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

/** Parts that grow one by one, so that doubling a table of a million entries is not a long pause. */
const shardsPerFunction = 64
const shardBits = 6

interface Table {
  readonly fn: DigestFunction
  /** Words of a hash. */
  readonly words: number
  readonly shards: readonly Shard[]
}

/** An empty index. @param marked is told of every change to what invocations hold */
export function createDigestIndex(marked: MarksChanged = () => undefined): DigestIndex {
  const mix = createMixer()
  const tables = new Map<DigestFunction, Table>()
  // One key and one place for it, reused: no lookup makes an object.
  const key: Key = { words: new Uint32Array(16), count: 0, size: 0, mix: 0 }

  function tableOf(fn: DigestFunction): Table {
    const known = tables.get(fn)
    if (known) return known
    const words = digestFunctions[fn].hexLength / 8
    const table = { fn, words, shards: Array.from({ length: shardsPerFunction }, () => emptyShard(words)) }
    tables.set(fn, table)
    return table
  }

  /** Makes `key` the digest's, and gives the shard that it belongs to. */
  function shardOf({ fn, hash, size }: Digest): Shard {
    const { words, shards } = tableOf(fn)
    key.count = words
    key.size = size
    mix(hash, key)
    return shards[key.mix >>> (32 - shardBits)] as Shard
  }

  /** Gives the cell these marks. */
  function mark(fn: DigestFunction, { cells, marks }: Shard, at: number, after: number): void {
    const slot = at / (cell.key + digestFunctions[fn].hexLength / 8)
    const before = marks?.[slot] ?? 0
    if (!marks || before === after >>> 0) return
    marks[slot] = after
    marked(before, after, bytesInSegment(fn, cells[at + cell.length] ?? 0))
  }

  function unmarkShard(fn: DigestFunction, words: number, shard: Shard, bits: number): void {
    const { marks, slots } = shard
    if (!marks) return
    for (let slot = 0; slot < slots; slot += 1) {
      const before = marks[slot] ?? 0
      if ((before & bits) !== 0) mark(fn, shard, slot * (cell.key + words), before & ~bits)
    }
  }

  return {
    get count() {
      let count = 0
      for (const { shards } of tables.values()) for (const shard of shards) count += shard.count
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
      for (const { words, shards } of tables.values()) for (const shard of shards) dateShard(shard, words, usedAt)
    },
    delete(digest) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return false
      if (shard.marks) mark(digest.fn, shard, at, 0)
      removeCell(shard, at, cell.key + key.count)
      return true
    },
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
      for (const { fn, words, shards } of tables.values())
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
      for (const table of tables.values()) for (const shard of table.shards) yield entriesIn(table, shard, segment)
    },
    *parts() {
      for (const { fn, words, shards } of tables.values())
        for (const shard of shards) yield { fn, shard, stride: cell.key + words }
    },
  }
}

/** Most uses follow soon after the last one; of those, only the age is recorded. */
function use(cells: Uint32Array, at: number, age: number, again: Again): void {
  const steps = age - (cells[at + cell.used] ?? 0)
  if (steps >= burstSteps)
    cells[at + cell.reuse] = again(cells[at + cell.reuse] ?? 0, steps, cells[at + cell.length] ?? 0)
  cells[at + cell.used] = age
}

function dateShard({ cells }: Shard, words: number, usedAt: (segment: number) => number): void {
  for (let at = 0; at < cells.length; at += cell.key + words) {
    const segment = cells[at + cell.segment] ?? 0
    if (segment !== 0) cells[at + cell.used] = usedAt(segment)
  }
}

function isMarked({ marks }: Pick<Shard, 'marks'>, slot: number): boolean {
  return marks !== undefined && marks[slot] !== 0
}

function entriesIn({ fn, words }: Table, { cells, marks }: Shard, segment: number): IndexEntry[] {
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

function placeAt({ cells }: Shard, at: number): Place {
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
