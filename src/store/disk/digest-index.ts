import { type Digest, type DigestFunction, digestFunctions } from '../../core/digest.ts'
import { createMixer } from './mixer.ts'
import {
  cell,
  emptyShard,
  findCell,
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
}

/** From digests to places, in typed arrays: 64 bytes a cell for SHA-256, and no object for any. */
export interface DigestIndex {
  readonly count: number
  /** Is it there? Counts as a use at this age. */
  touch(digest: Digest, age: number): boolean
  /** Where it lies; counts as a use at this age. */
  find(digest: Digest, age: number): Place | undefined
  set(digest: Digest, place: Place, age: number): void
  delete(digest: Digest): boolean
  /** Does the digest still lie there, and nowhere newer? */
  liesAt(digest: Digest, segment: number, offset: number): boolean
  /** The entries of one segment, a batch for each part of the table, so that the caller may pause between. */
  entriesOf(segment: number): Generator<IndexEntry[]>
}

/** Parts that grow one by one, so that doubling a table of a million entries is no long pause. */
const shardsPerFunction = 64
const shardBits = 6

interface Table {
  readonly fn: DigestFunction
  /** Words of a hash. */
  readonly words: number
  readonly shards: readonly Shard[]
}

/** An empty index. */
export function createDigestIndex(): DigestIndex {
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

  return {
    get count() {
      let count = 0
      for (const { shards } of tables.values()) for (const shard of shards) count += shard.count
      return count
    },
    touch(digest, age) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return false
      shard.cells[at + cell.used] = age
      return true
    },
    find(digest, age) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return undefined
      shard.cells[at + cell.used] = age
      return placeAt(shard, at)
    },
    set(digest, { segment, offset, length }, age) {
      const shard = shardOf(digest)
      const found = findCell(shard, key)
      const at = found < 0 ? insertCell(shard, key) : found
      shard.cells[at + cell.segment] = segment
      shard.cells[at + cell.offset] = offset
      shard.cells[at + cell.length] = length
      shard.cells[at + cell.used] = age
    },
    delete(digest) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      if (at < 0) return false
      removeCell(shard, at, cell.key + key.count)
      return true
    },
    liesAt(digest, segment, offset) {
      const shard = shardOf(digest)
      const at = findCell(shard, key)
      return at >= 0 && shard.cells[at + cell.segment] === segment && shard.cells[at + cell.offset] === offset
    },
    *entriesOf(segment) {
      for (const table of tables.values()) for (const shard of table.shards) yield entriesIn(table, shard, segment)
    },
  }
}

function entriesIn({ fn, words }: Table, shard: Shard, segment: number): IndexEntry[] {
  const entries: IndexEntry[] = []
  const { cells } = shard
  for (let at = 0; at < cells.length; at += cell.key + words)
    if (cells[at + cell.segment] === segment)
      entries.push({
        digest: { fn, hash: hashAt(cells, at, words), size: sizeAt(cells, at) },
        used: cells[at + cell.used] ?? 0,
        ...placeAt(shard, at),
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
