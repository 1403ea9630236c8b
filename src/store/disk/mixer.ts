import { randomBytes } from 'node:crypto'
import type { Key } from './shard.ts'

/** Reads a hash's digits into a key. */
export type Mixer = (hash: string, key: Key) => void

/** Hexadecimal digits of the longest hash. */
const digitsMax = 128

/**
 * Spreads keys over a table. Clients choose digests (an action's may be any), so the spread
 * must not be theirs to choose: each half word of the hash is multiplied by a random odd
 * number, which tells any two keys apart with great likelihood, and the sum goes through
 * random tables (simple tabulation), with which linear probing is known to behave.
 */
export function createMixer(): Mixer {
  const factors = randomWords(digitsMax / 4).map((word) => word | 1)
  const tables = randomWords(4 * 256)
  const digits = Buffer.alloc(digitsMax)
  const pairs = new Uint32Array(digits.buffer, digits.byteOffset, digitsMax / 4)

  return (hash, key) => {
    digits.write(hash, 'latin1')
    let sum = 0
    for (let word = 0; word < key.count; word += 1) {
      const high = halfWord(pairs[word * 2] ?? 0)
      const low = halfWord(pairs[word * 2 + 1] ?? 0)
      key.words[word] = (high << 16) | low
      sum += Math.imul(high, factors[word * 2] ?? 0) + Math.imul(low, factors[word * 2 + 1] ?? 0)
    }
    const spread =
      (tables[sum & 255] ?? 0) ^
      (tables[256 + ((sum >>> 8) & 255)] ?? 0) ^
      (tables[512 + ((sum >>> 16) & 255)] ?? 0) ^
      (tables[768 + ((sum >>> 24) & 255)] ?? 0)
    key.mix = spread >>> 0
  }
}

/** The value of four lower-case hexadecimal digits that were read as one little-endian word. */
function halfWord(ascii: number): number {
  // 0-9 are 0x30-0x39, a-f are 0x61-0x66: bit 6 tells letters, whose low digits are 9 short.
  const nibbles = (ascii & 0x0f0f0f0f) + ((ascii >>> 6) & 0x01010101) * 9
  const bytes = ((nibbles & 0x000f000f) << 4) | ((nibbles >>> 8) & 0x000f000f)
  return ((bytes & 0xff) << 8) | ((bytes >>> 16) & 0xff)
}

function randomWords(count: number): Uint32Array {
  return new Uint32Array(new Uint8Array(randomBytes(count * 4)).buffer)
}
