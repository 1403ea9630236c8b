import { crc32 } from 'node:zlib'
import { chunkBytesMax } from '../../core/limits.ts'

/**
 * Values are checked in chunks of chunkBytesMax, so that a piece of a large one can be held
 * against its checksum before it is served without reading the rest. CRC-32 runs at about
 * 7 GB/s here: it finds damage, not malice; the digest was checked when the blob came in.
 */
export function chunkCount(length: number): number {
  return Math.ceil(length / chunkBytesMax)
}

/** Computes the checksum of each chunk while a value comes in, in pieces of any size. */
export interface Checksummer {
  update(bytes: Uint8Array): void
  /** The checksums of all chunks. */
  finish(): Uint32Array
}

export function createChecksummer(length: number): Checksummer {
  const sums = new Uint32Array(chunkCount(length))
  let at = 0
  return {
    update(bytes) {
      for (let from = 0; from < bytes.byteLength; ) {
        const chunk = Math.floor(at / chunkBytesMax)
        const step = Math.min(bytes.byteLength - from, (chunk + 1) * chunkBytesMax - at)
        const part = step === bytes.byteLength ? bytes : bytes.subarray(from, from + step)
        sums[chunk] = crc32(part, sums[chunk])
        from += step
        at += step
      }
    },
    finish: () => sums,
  }
}

/** Is this chunk, or this last and shorter one, what the checksum was made of? */
export function chunkIsSound(bytes: Uint8Array, sum: number): boolean {
  return crc32(bytes) === sum
}
