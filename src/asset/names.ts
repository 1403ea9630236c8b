import { checkedDigest, type Digest, type DigestFunction, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import type { Results } from '../store/results.ts'
import type { Log } from '../telemetry/log.ts'

/** What is stored under a name. */
export interface Asset {
  readonly digest: Digest
  /** When it was pushed, or its retrieval began, in milliseconds since 1970. */
  readonly sinceMs: number
  /** When it expires; undefined if nobody has said. */
  readonly untilMs?: number | undefined
  /** The other blobs that have to be there. */
  readonly blobs: readonly Digest[]
  readonly directories: readonly Digest[]
}

/** Names of content: an entry among the action results maps a name to a digest. */
export interface Names {
  /** Undefined if there is none. @param fn the function of all digests of the asset */
  get(name: readonly string[], fn: DigestFunction): Promise<Asset | undefined>
  put(name: readonly string[], fn: DigestFunction, asset: Asset): Promise<void>
  delete(name: readonly string[], fn: DigestFunction): Promise<void>
}

/**
 * The size in an entry's digest: no action has it, nor does an object of the tools that speak HTTP (their namespace
 * uses another size), so whatever name a client chooses, it cannot collide with another kind of entry.
 */
const entryDigestSize = 2 ** 51

export function createNames(results: Results, log: Log): Names {
  return {
    async get(name, fn) {
      const entry = entryOf(name, fn)
      const value = await results.get(entry)
      if (!value) return undefined
      try {
        return decoded(value, fn)
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        log.warn('the name of an asset cannot be used and is dropped', { entry: digestText(entry), error })
        await results.delete(entry)
        return undefined
      }
    },
    put: (name, fn, asset) => results.put(entryOf(name, fn), encoded(asset)),
    delete: (name, fn) => results.delete(entryOf(name, fn)),
  }
}

function entryOf(name: readonly string[], fn: DigestFunction): Digest {
  const { hash } = digestOf('sha256', Buffer.from(JSON.stringify(['asset', fn, ...name])))
  return { fn: 'sha256', hash, size: entryDigestSize }
}

interface Entry {
  readonly digest: string
  readonly sinceMs: number
  readonly untilMs?: number | undefined
  readonly blobs: readonly string[]
  readonly directories: readonly string[]
}

function encoded({ digest, blobs, directories, ...times }: Asset): Buffer {
  const entry: Entry = {
    ...times,
    digest: digestText(digest),
    blobs: blobs.map(digestText),
    directories: directories.map(digestText),
  }
  return Buffer.from(JSON.stringify(entry))
}

/** @throws Failure 'corrupt', 'invalid' */
function decoded(value: Uint8Array, fn: DigestFunction): Asset {
  const { digest, blobs, directories, sinceMs, untilMs } = parsed(value)
  const read = (text: string): Digest => {
    const [hash = '', size] = text.split('/')
    return checkedDigest(fn, hash, Number(size))
  }
  return { digest: read(digest), blobs: blobs.map(read), directories: directories.map(read), sinceMs, untilMs }
}

function parsed(value: Uint8Array): Entry {
  try {
    const entry = JSON.parse(Buffer.from(value).toString()) as Partial<Entry>
    if (entry.digest !== undefined && entry.sinceMs !== undefined && entry.blobs && entry.directories)
      return entry as Entry
  } catch (error) {
    throw new Failure('corrupt', 'an entry is not JSON', { cause: error })
  }
  throw new Failure('corrupt', 'an entry lacks something')
}
