import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkedDigest, type DigestFunction, digestFunctions } from '../core/digest.ts'
import type { MakeRoom } from './make-room.ts'
import { type Need, needKey } from './need.ts'
import { removeFile, type Seal } from './sealed.ts'
import { createSpareFolders, type SpareFolders } from './spare-folders.ts'
import { createSpares, type Spares } from './spares.ts'

/** A file in the cache. */
export interface Entry extends Need {
  readonly key: string
  readonly path: string
  /** Undefined until its bytes have been verified (again). */
  seal: Seal | undefined
  /** It left the cache: somebody has modified it, or nobody held it and the space was needed. */
  gone: boolean
  /** How many hold it now; it stays as long as anyone does. */
  holders: number
}

/** The files by key, in the order of their last use, within a limit in bytes. */
export interface ContentIndex {
  readonly bytes: number
  get(key: string): Entry | undefined
  /** Adds a file that is at the entry's path, and evicts others to make room. */
  add(need: Need, seal: Seal | undefined, holders: number): Entry
  /** Counts as a use. */
  hold(entry: Entry): void
  release(entry: Entry): void
  /** Drops the entry and removes its file. */
  remove(entry: Entry): void
  readonly makeRoom: MakeRoom
  /** Included in the size; evicted before anything else. */
  readonly spares: Spares
  /** The same for whole folders. */
  readonly spareFolders: SpareFolders
  /** Where its file is or will be; the parent folder exists. */
  pathOf(need: Need): string
}

const fileName = /^(sha256|sha1|sha384|sha512|blake3)-([0-9a-f]+)-(\d{1,16})(x?)$/

/**
 * Opens the cache folder, with files `DIRECTORY/ab/FUNCTION-HASH-SIZE[x]`, and adds existing ones without a seal. Files
 * of other names are removed.
 * @param discard removes a folder, now or later
 */
export function openIndex(directory: string, bytesMax: number, discard: (path: string) => void): ContentIndex {
  const entries = new Map<string, Entry>()
  let bytes = 0
  // Created on demand: all 256 at once are a good part of a worker's start-up time.
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
  const spares = createSpares(pathOf)
  const spareFolders = createSpareFolders(join(directory, 'folders'), discard)
  const total = () => bytes + spares.bytes + spareFolders.bytes
  const evict = () => {
    while (total() > bytesMax && spares.removeOldest());
    while (total() > bytesMax && spareFolders.removeOldest(discard));
    for (const entry of entries.values()) {
      if (total() <= bytesMax) return
      if (entry.holders === 0) remove(entry)
    }
  }
  const makeRoom = (wanted: number): boolean => {
    const before = total()
    let removed = false
    while (before - total() < wanted && spares.removeOldest()) removed = true
    // What is removed later would still be in the way.
    while (before - total() < wanted && spareFolders.removeOldest(removeNow)) removed = true
    for (const entry of entries.values()) {
      if (before - total() >= wanted) break
      if (entry.holders > 0) continue
      remove(entry)
      removed = true
    }
    return removed
  }
  const touch = (entry: Entry) => {
    entries.delete(entry.key)
    entries.set(entry.key, entry)
  }
  const add = (need: Need, seal: Seal | undefined, holders: number): Entry => {
    const key = needKey(need)
    const entry: Entry = { ...need, key, path: pathOf(need), seal, gone: false, holders }
    entries.set(key, entry)
    bytes += need.digest.size
    if (total() > bytesMax) evict()
    return entry
  }
  const index: ContentIndex = {
    get bytes() {
      return total()
    },
    get: (key) => entries.get(key),
    add,
    hold(entry) {
      entry.holders += 1
      touch(entry)
    },
    release(entry) {
      entry.holders -= 1
      if (total() > bytesMax) evict()
    },
    remove,
    makeRoom,
    spares: {
      ...spares,
      get bytes() {
        return spares.bytes
      },
      give(...copy) {
        spares.give(...copy)
        if (total() > bytesMax) evict()
      },
    },
    spareFolders: {
      ...spareFolders,
      get bytes() {
        return spareFolders.bytes
      },
      give(...folder) {
        spareFolders.give(...folder)
        if (total() > bytesMax) evict()
      },
    },
    pathOf,
  }
  for (const need of leftBefore(directory)) add(need, undefined, 0)
  return index
}

function removeNow(path: string): void {
  rmSync(path, { recursive: true, force: true })
}

/** What the folder still holds from before; anything that is not the cache's is removed. */
function leftBefore(directory: string): Need[] {
  const needs: Need[] = []
  for (const part of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, part.name)
    if (!part.isDirectory()) {
      removeFile(path)
      continue
    }
    for (const file of readdirSync(path, { withFileTypes: true })) {
      const need = file.isFile() ? needOf(file.name) : undefined
      if (need?.digest.hash.startsWith(part.name)) needs.push(need)
      else rmSync(join(path, file.name), { recursive: true, force: true })
    }
  }
  return needs
}

function needOf(name: string): Need | undefined {
  const [, fn, hash = '', size, x] = fileName.exec(name) ?? []
  if (!fn || digestFunctions[fn as DigestFunction].hexLength !== hash.length) return undefined
  return { digest: checkedDigest(fn as DigestFunction, hash, Number(size)), executable: x === 'x' }
}
