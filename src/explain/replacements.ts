import type { Digest } from '../core/digest.ts'
import { computableFunctions, digestOf } from '../core/hash.ts'

/**
 * Directory entries that replaced others. One changed file has the same effect on a thousand directories: for most of
 * them only the earlier version has to be read, since its bytes with the new entry have the digest of the later one.
 */
export interface Replacements<T> {
  readonly isEmpty: boolean
  /** Records the difference of two directories, if it is one entry. @param means what is to be said of it */
  note(one: Uint8Array, other: Uint8Array, means: T): void
  /** The difference of two directories; undefined if it is not a recorded one. @param one the bytes of the first */
  between(one: Uint8Array, other: Digest): T | undefined
}

/** The most recent ones; each further one is tried on directories that contain none of them. */
const keptMax = 8
/** Longer directories are not tried: hashing them would not pay off. */
const bytesMax = 256 * 1024

interface Replacement<T> {
  readonly before: Uint8Array
  readonly after: Uint8Array
  readonly means: T
}

export function createReplacements<T>(): Replacements<T> {
  /** The most recent first. */
  let kept: Replacement<T>[] = []

  return {
    get isEmpty() {
      return kept.length === 0
    },
    note(one, other, means) {
      if (Math.max(one.length, other.length) > bytesMax) return
      const [before, after] = [entriesOf(one), entriesOf(other)]
      if (before.length !== after.length) return
      const different = before.flatMap((entry, at) => (isSame(entry, after[at]) ? [] : [at]))
      const [at = -1] = different
      const [was, is] = [before[at], after[at]]
      if (different.length !== 1 || !was || !is) return
      // Concurrent comparisons find the same one.
      const isMet = kept.some(({ before, after }) => isSame(before, was) && isSame(after, is))
      if (!isMet) kept = [{ before: was, after: is, means }, ...kept].slice(0, keptMax)
    },
    between(one, other) {
      if (one.length > bytesMax || !computableFunctions.includes(other.fn)) return undefined
      const found = kept.find(({ before, after }) => {
        if (one.length - before.length + after.length !== other.size) return false
        const start = placeOf(before, one)
        return start >= 0 && digestOf(other.fn, replaced(one, start, before.length, after)).hash === other.hash
      })
      if (found && found !== kept[0]) kept = [found, ...kept.filter((each) => each !== found)]
      return found?.means
    },
  }
}

function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other?.length === one.length && Buffer.compare(one, other) === 0
}

function replaced(bytes: Uint8Array, start: number, length: number, after: Uint8Array): Uint8Array {
  const made = Buffer.allocUnsafe(bytes.length - length + after.length)
  made.set(bytes.subarray(0, start))
  made.set(after, start)
  made.set(bytes.subarray(start + length), start + after.length)
  return made
}

/** Where an entry begins in the bytes of a Directory; -1 if it has no such entry. */
function placeOf(entry: Uint8Array, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) {
    const end = endOfEntry(bytes, at)
    if (end < 0) return -1
    if (end - at === entry.length && isSame(bytes.subarray(at, end), entry)) return at
    at = end
  }
  return -1
}

/** The fields of a message, each with its tag and length, as long as they look like a Directory's. */
function entriesOf(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = endOfEntry(bytes, at)
    if (end < 0) return []
    entries.push(bytes.subarray(at, end))
    at = end
  }
  return entries
}

/** Where the field that begins here ends; -1 if it does not look like a Directory's. */
function endOfEntry(bytes: Uint8Array, at: number): number {
  // A Directory's field tags fit into one byte, and all its fields are length-delimited.
  if (((bytes[at] ?? 0) & 0b1000_0111) !== 2) return -1
  let length = 0
  for (let place = at + 1, factor = 1; place < bytes.length; place += 1, factor *= 128) {
    const byte = bytes[place] ?? 0
    length += (byte & 127) * factor
    if (byte >= 128) continue
    const end = place + 1 + length
    return end > bytes.length ? -1 : end
  }
  return -1
}
