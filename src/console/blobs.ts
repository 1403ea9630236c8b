import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { type Digest, digestKey } from '../core/digest.ts'
import { number } from './cells.ts'
import { prepareArrays } from './rows.ts'

/** The bytes of Actions, Commands and Directories that the history keeps itself. */
export interface KeptBlobs {
  get(digest: Digest): Uint8Array | undefined
  /** Many at once, by digestKey, in less than half the time; absent ones are left out. */
  getAll(digests: readonly Digest[]): Map<string, Uint8Array>
  /** Adds a blob, or notes a use of it. @param at milliseconds since 1970 */
  put(digest: Digest, bytes: Uint8Array, at: number): void
  /**
   * Notes a use.
   * @returns whether it was there, and whether a recent use was already noted: then so were those of the blobs below
   *   it
   */
  touch(digest: Digest, at: number): { readonly there: boolean; readonly lately: boolean }
  /** Removes the least recently used. @returns how many, countMax at most */
  removeOldest(countMax: number): number
  /** Removes those last used before a time. @returns how many, countMax at most */
  removeUnused(before: number, countMax: number): number
  /** Recomputes the total size after a rollback. */
  recount(): void
  /** Their total size in bytes. */
  readonly bytes: number
}

/** Smaller blobs hardly compress. */
const packBytesMin = 256
/** A use is only noted again this long after the last one, in milliseconds. */
const noteMsMin = 60 * 60_000

export function createKeptBlobs(database: DatabaseSync): KeptBlobs {
  const find = prepareArrays(database, 'SELECT packed, data FROM blobs WHERE hash = ? AND size = ? AND fn = ?')
  const findAll = prepareArrays(
    database,
    'SELECT j.key, b.fn, b.size, b.packed, b.data FROM json_each(?) j CROSS JOIN blobs b ON b.hash = j.value',
  )
  const insert = database.prepare(
    'INSERT INTO blobs (fn, hash, size, packed, stored, used, data) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const usedAt = database.prepare('SELECT id, used FROM blobs WHERE hash = ? AND size = ? AND fn = ?')
  const use = database.prepare('UPDATE blobs SET used = ? WHERE id = ?')
  const oldest = database.prepare(
    'DELETE FROM blobs WHERE id IN (SELECT id FROM blobs ORDER BY used LIMIT ?) RETURNING stored',
  )
  const unused = database.prepare(
    'DELETE FROM blobs WHERE id IN (SELECT id FROM blobs WHERE used < ? ORDER BY used LIMIT ?) RETURNING stored',
  )
  const sum = database.prepare('SELECT sum(stored) AS bytes FROM blobs')
  let bytes = number(sum.get()?.['bytes'])

  function removed(rows: readonly Readonly<Record<string, unknown>>[]): number {
    for (const { stored } of rows) bytes -= Number(stored)
    return rows.length
  }

  function touch({ hash, size, fn }: Digest, at: number) {
    const row = usedAt.get(hash, size, fn)
    if (!row) return { there: false, lately: false }
    const lately = at - number(row['used']) < noteMsMin
    if (!lately) use.run(at, row['id'] ?? 0)
    return { there: true, lately }
  }

  return {
    get({ hash, size, fn }) {
      const [packed, data] = find.get(hash, size, fn) ?? []
      return unpacked(packed, data, size)
    },
    getAll(digests) {
      const found = new Map<string, Uint8Array>()
      for (const [place, fn, size, packed, data] of findAll.all(JSON.stringify(digests.map(({ hash }) => hash)))) {
        const digest = digests[number(place)]
        const isIt = digest && digest.size === size && digest.fn === fn
        const bytes = isIt && unpacked(packed, data, digest.size)
        if (bytes) found.set(digestKey(digest), bytes)
      }
      return found
    },
    put(digest, content, at) {
      if (touch(digest, at).there) return
      const small = content.length < packBytesMin ? content : zstdCompressSync(content)
      const packed = small.length < content.length
      const data = packed ? small : content
      insert.run(digest.fn, digest.hash, digest.size, packed ? 1 : 0, data.length, at, data)
      bytes += data.length
    },
    touch,
    removeOldest: (countMax) => removed(oldest.all(countMax)),
    removeUnused: (before, countMax) => removed(unused.all(before, countMax)),
    recount() {
      bytes = number(sum.get()?.['bytes'])
    },
    get bytes() {
      return bytes
    },
  }
}

function unpacked(
  packed: SQLOutputValue | undefined,
  data: SQLOutputValue | undefined,
  size: number,
): Uint8Array | undefined {
  if (!(data instanceof Uint8Array)) return undefined
  return packed === 1 ? zstdDecompressSync(data, { maxOutputLength: size }) : data
}
