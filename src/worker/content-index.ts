import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkedDigest, type Digest, type DigestFunction, digestFunctions, digestKey } from '../core/digest.ts'
import { removeFile, type Seal } from './sealed.ts'

/** A file that an action needs: a blob, executable or not. */
export interface Need {
  readonly digest: Digest
  readonly executable: boolean
}

/** A file in the cache. */
export interface Entry extends Need {
  readonly key: string
  readonly path: string
  /** Undefined until its bytes have been checked (again). */
  seal: Seal | undefined
  /** It left the cache while it was held: its bytes were not the digest's. */
  gone: boolean
  /** How many hold it now, and how often it was held in all. */
  holders: number
  holds: number
}

/** The files by key, in the order of their last use, within a bound of bytes. */
export interface ContentIndex {
  readonly bytes: number
  get(key: string): Entry | undefined
  /** Takes in a file that is at the entry's path and evicts others for it. */
  add(need: Need, seal: Seal | undefined, holders: number): Entry
  /** Counts as a use. */
  hold(entry: Entry): void
  release(entry: Entry): void
  /** Takes it out and removes its file. */
  remove(entry: Entry): void
  /** Where its file is or will be; the folder is there. */
  pathOf(need: Need): string
}

const fileName = /^(sha256|sha1|sha384|sha512|blake3)-([0-9a-f]+)-(\d{1,16})(x?)$/

/** Names a need; the same blob is another file when it is executable. */
export function needKey(need: Need): string {
  return digestKey(need.digest) + (need.executable ? 'x' : '')
}

/**
 * Opens the folder `DIRECTORY/ab/FUNCTION-HASH-SIZE[x]`, and takes in what is there without a
 * seal. Files of other names are removed.
 */
export function openIndex(directory: string, bytesMax: number): ContentIndex {
  const entries = new Map<string, Entry>()
  let bytes = 0
  // Made when a file comes: all 256 at once are a good part of a worker's start.
  const parts = new Set<string>()
  mkdirSync(directory, { recursive: true })

  const pathOf = ({ digest, executable }: Need) => {
    const part = join(directory, digest.hash.slice(0, 2))
    if (!parts.has(part)) mkdirSync(part, { recursive: true })
    parts.add(part)
    return join(part, `${digest.fn}-${digest.hash}-${digest.size}${executable ? 'x' : ''}`)
  }

  const remove = (entry: Entry) => {
    if (entries.get(entry.key) !== entry) return
    entries.delete(entry.key)
    bytes -= entry.digest.size
    entry.gone = true
    removeFile(entry.path)
  }
  const evict = () => {
    for (const entry of entries.values()) {
      if (bytes <= bytesMax) return
      if (entry.holders === 0) remove(entry)
    }
  }
  const touch = (entry: Entry) => {
    entries.delete(entry.key)
    entries.set(entry.key, entry)
  }
  const add = (need: Need, seal: Seal | undefined, holders: number): Entry => {
    const key = needKey(need)
    const entry: Entry = { ...need, key, path: pathOf(need), seal, gone: false, holders, holds: holders }
    entries.set(key, entry)
    bytes += need.digest.size
    if (bytes > bytesMax) evict()
    return entry
  }
  const index: ContentIndex = {
    get bytes() {
      return bytes
    },
    get: (key) => entries.get(key),
    add,
    hold(entry) {
      entry.holders += 1
      entry.holds += 1
      touch(entry)
    },
    release(entry) {
      entry.holders -= 1
      if (bytes > bytesMax) evict()
    },
    remove,
    pathOf,
  }
  for (const need of leftBefore(directory)) add(need, undefined, 0)
  return index
}

/** What the folder holds from before; anything that is not the cache's is removed. */
function leftBefore(directory: string): Need[] {
  const needs: Need[] = []
  for (const part of readdirSync(directory))
    for (const name of readdirSync(join(directory, part))) {
      const need = needOf(name)
      if (need) needs.push(need)
      else removeFile(join(directory, part, name))
    }
  return needs
}

function needOf(name: string): Need | undefined {
  const [, fn, hash = '', size, x] = fileName.exec(name) ?? []
  if (!fn || digestFunctions[fn as DigestFunction].hexLength !== hash.length) return undefined
  return { digest: checkedDigest(fn as DigestFunction, hash, Number(size)), executable: x === 'x' }
}
