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
      const entries = entriesOf(one)
      const found = kept.find(({ before, after }) => {
        if (one.length - before.length + after.length !== other.size) return false
        const entry = entries.find((each) => isSame(each, before))
        return entry && digestOf(other.fn, replaced(one, entry, after)).hash === other.hash
      })
      if (found && found !== kept[0]) kept = [found, ...kept.filter((each) => each !== found)]
      return found?.means
    },
  }
}

function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other?.length === one.length && Buffer.compare(one, other) === 0
}

/** @param entry a part of the bytes */
function replaced(bytes: Uint8Array, entry: Uint8Array, after: Uint8Array): Uint8Array {
  const start = entry.byteOffset - bytes.byteOffset
  return Buffer.concat([bytes.subarray(0, start), after, bytes.subarray(start + entry.length)])
}

/** The fields of a message, each with its tag and length, as long as they look like a Directory's. */
function entriesOf(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    // A Directory's field tags fit into one byte, and all its fields are length-delimited.
    const isDelimited = ((bytes[at] ?? 0) & 0b1000_0111) === 2
    const [length, start] = lengthAt(bytes, at + 1)
    if (!isDelimited || start + length > bytes.length) return []
    entries.push(bytes.subarray(at, start + length))
    at = start + length
  }
  return entries
}

/** A varint, and where it ends. */
function lengthAt(bytes: Uint8Array, start: number): [length: number, end: number] {
  let length = 0
  for (let at = start, factor = 1; at < bytes.length; at += 1, factor *= 128) {
    const byte = bytes[at] ?? 0
    length += (byte & 127) * factor
    if (byte < 128) return [length, at + 1]
  }
  return [Number.POSITIVE_INFINITY, bytes.length]
}
