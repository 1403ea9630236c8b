import { checkedDigest, type Digest, digestText } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { digestOf } from '../../core/hash.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import type { CacheContext } from '../context.ts'

/** Tools whose objects are not blobs and no action results; each has a namespace of its own. */
export type Tool = 'ccache' | 'gradle' | 'nx' | 'sccache' | 'turborepo'

/** What a tool has stored under one of its keys. */
export interface StoredObject {
  readonly size: number
  /** Blobs of 1 MiB, the last one shorter. */
  readonly pieces: readonly Digest[]
  /** Few and short: what the tool wants back beside the bytes. */
  readonly notes: Readonly<Record<string, string>>
  /** When it was stored, in milliseconds since 1970. */
  readonly storedMs: number
}

/** Objects of tools: an entry among the action results leads from a tool and a key to blobs. */
export interface Objects {
  /** One whose pieces are all there, which are thereby used; undefined when there is none. */
  find(tool: Tool, key: string): Promise<StoredObject | undefined>
  /** Stores or replaces. @param pieces are in the store already */
  put(tool: Tool, key: string, pieces: readonly Digest[], notes?: StoredObject['notes']): Promise<void>
  /** True when there was one. */
  delete(tool: Tool, key: string): Promise<boolean>
}

/**
 * The size in the digest of an entry. No action has it (action-cache.ts refuses digests of such), so
 * that whatever key a tool chooses, and whatever digest a client of the action cache, neither
 * reaches what is the other's.
 */
const entryDigestSize = 2 ** 52
const pieceFunction = 'sha256'

export function createObjects({ results, blobs, clock, counts, log }: CacheContext): Objects {
  async function read(entry: Digest): Promise<StoredObject | undefined> {
    const value = await results.get(entry)
    if (!value) return undefined
    try {
      return decodeEntry(value)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      log.warn('a stored object cannot be used and is dropped', { entry: digestText(entry), error })
      await results.delete(entry)
      return undefined
    }
  }

  return {
    async find(tool, key) {
      const object = await read(entryDigest(tool, key))
      const found = object !== undefined && (await blobs.findMissing(object.pieces)).length === 0
      counts.lookups('object', found ? 1 : 0, found ? 0 : 1)
      return found ? object : undefined
    },
    async put(tool, key, pieces, notes = {}) {
      await results.put(entryDigest(tool, key), encodeEntry(pieces, notes, clock.now()))
    },
    async delete(tool, key) {
      const entry = entryDigest(tool, key)
      const known = (await results.get(entry)) !== undefined
      await results.delete(entry)
      return known
    },
  }
}

function entryDigest(tool: Tool, key: string): Digest {
  return { fn: 'sha256', hash: digestOf('sha256', Buffer.from(`${tool}\0${key}`)).hash, size: entryDigestSize }
}

interface Entry {
  readonly size: number
  readonly pieces: readonly string[]
  readonly notes: Readonly<Record<string, string>>
  readonly storedMs: number
}

function encodeEntry(pieces: readonly Digest[], notes: Entry['notes'], storedMs: number): Buffer {
  const size = pieces.reduce((sum, piece) => sum + piece.size, 0)
  const entry: Entry = { size, pieces: pieces.map(({ hash }) => hash), notes, storedMs }
  return Buffer.from(JSON.stringify(entry))
}

/** @throws Failure 'corrupt', 'invalid' */
function decodeEntry(value: Uint8Array): StoredObject {
  const { size, pieces, notes, storedMs } = parsed(value)
  const digests = pieces.map((hash, at) => {
    const rest = size - at * smallBlobBytesMax
    return checkedDigest(pieceFunction, hash, Math.min(rest, smallBlobBytesMax))
  })
  return { size, pieces: digests, notes, storedMs }
}

function parsed(value: Uint8Array): Entry {
  try {
    const entry = JSON.parse(Buffer.from(value).toString()) as Partial<Entry>
    if (entry.pieces && entry.notes && entry.size !== undefined && entry.storedMs !== undefined) return entry as Entry
  } catch (error) {
    throw new Failure('corrupt', 'an entry is not JSON', { cause: error })
  }
  throw new Failure('corrupt', 'an entry is incomplete')
}
