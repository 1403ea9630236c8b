import { createHash } from 'node:crypto'

/**
 * The gear table of FastCDC 2020, which RepMaxCDC has too: what a byte adds to the hash is the first 8 bytes of this
 * digest, the MD5 of 64 such bytes.
 */
export const gear: readonly Buffer[] = Array.from({ length: 256 }, (_, byte) =>
  createHash('md5').update(Buffer.alloc(64, byte)).digest(),
)
