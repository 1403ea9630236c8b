import { type Digest, type DigestFunction, digestFunctions } from '../../core/digest.ts'
import { createMixer } from './mixer.ts'
import { emptyShard, type Key, type Shard } from './shard.ts'

/** The entries of one digest function. */
export interface IndexTable {
  readonly fn: DigestFunction
  /** Words of a hash. */
  readonly words: number
  readonly shards: readonly Shard[]
}

export interface IndexTables {
  all(): Iterable<IndexTable>
  /** The key that was looked for last. */
  readonly key: Key
  /** Makes `key` the digest's, and gives the shard that it belongs to. */
  shardOf(digest: Digest): Shard
}

/** Parts that grow one by one, so that doubling a table of a million entries is not a long pause. */
const shardsPerFunction = 64
const shardBits = 6

/** A table for each digest function, made when it is first needed. */
export function createIndexTables(): IndexTables {
  const mix = createMixer()
  const tables = new Map<DigestFunction, IndexTable>()
  // One key and one place for it, reused: no lookup makes an object.
  const key: Key = { words: new Uint32Array(16), count: 0, size: 0, mix: 0 }

  function tableOf(fn: DigestFunction): IndexTable {
    const known = tables.get(fn)
    if (known) return known
    const words = digestFunctions[fn].hexLength / 8
    const table = { fn, words, shards: Array.from({ length: shardsPerFunction }, () => emptyShard(words)) }
    tables.set(fn, table)
    return table
  }

  return {
    all: () => tables.values(),
    key,
    shardOf({ fn, hash, size }) {
      const { words, shards } = tableOf(fn)
      key.count = words
      key.size = size
      mix(hash, key)
      return shards[key.mix >>> (32 - shardBits)] as Shard
    },
  }
}
