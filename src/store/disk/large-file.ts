import fs from 'node:fs'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { checkedDigest, type Digest, type DigestFunction, digestFunctions } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { chunkCount } from './checksums.ts'
import { assertVersion, formatVersion } from './format.ts'

/**
 * The file of a large blob: its bytes from offset 0, then a u32 CRC-32 for each chunk, then a
 * trailer of u32: magic, version, CRC-32 of the checksums and the two. Its name is the digest.
 */
const trailerBytes = 12
const magic = 0x314c426e // 'nBL1'
const namePattern = /^([a-z0-9]+)-([0-9a-f]+)-(\d+)$/

/** What a large blob's file takes. */
export function largeFileBytes(size: number): number {
  return size + chunkCount(size) * 4 + trailerBytes
}

export function largeFilePath(folder: string, { fn, hash, size }: Digest): string {
  return join(folder, hash.slice(0, 2), `${fn}-${hash}-${size}`)
}

/** The digest that a file is named for; undefined when it is not one of ours. */
export function digestOfPath(path: string): Digest | undefined {
  const match = namePattern.exec(basename(path))
  const [, fn = '', hash = '', size = ''] = match ?? []
  if (!match || !Object.hasOwn(digestFunctions, fn)) return undefined
  try {
    return checkedDigest(fn as DigestFunction, hash, Number(size))
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** What stands behind the blob's bytes. */
export function encodeTail(sums: Uint32Array): Buffer {
  const tail = Buffer.alloc(sums.length * 4 + trailerBytes)
  let at = 0
  for (const sum of sums) at = tail.writeUInt32LE(sum, at)
  at = tail.writeUInt32LE(magic, at)
  at = tail.writeUInt32LE(formatVersion, at)
  tail.writeUInt32LE(crc32(tail.subarray(0, at)), at)
  return tail
}

/**
 * The checksums of a large blob's chunks; undefined when the file is torn or damaged.
 * @throws Failure 'precondition' when another version wrote it
 */
export function readTail(fd: number, size: number, path: string): Uint32Array | undefined {
  if (fs.fstatSync(fd).size !== largeFileBytes(size)) return undefined
  const tail = Buffer.alloc(largeFileBytes(size) - size)
  if (fs.readSync(fd, tail, 0, tail.length, size) !== tail.length) return undefined
  const end = tail.length - trailerBytes
  if (tail.readUInt32LE(end) !== magic || tail.readUInt32LE(end + 8) !== crc32(tail.subarray(0, end + 8)))
    return undefined
  assertVersion(tail.readUInt32LE(end + 4), path)
  const sums = new Uint32Array(end / 4)
  for (let chunk = 0; chunk < sums.length; chunk += 1) sums[chunk] = tail.readUInt32LE(chunk * 4)
  return sums
}
