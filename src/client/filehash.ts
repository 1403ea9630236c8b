import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Digest, DigestFunction } from '../core/digest.ts'
import { createHasher, digestOf } from '../core/hash.ts'
import { chunkBytesMax } from '../core/limits.ts'

/** A file's digest, and its bytes if they were read in one go and are few enough to keep. */
export interface HashedFile {
  readonly digest: Digest
  readonly bytes: Uint8Array | undefined
}

/**
 * Hashes a file. Up to 256 KiB is read in one synchronous call, which is several times faster here than any other way;
 * larger files are read piece by piece, to bound memory and not block the event loop.
 * @param size from lstat; the digest has the size that was actually read
 * @param keepBytes files up to this size are returned with their bytes
 */
export async function hashFile(path: string, fn: DigestFunction, size: number, keepBytes = 0): Promise<HashedFile> {
  if (size <= chunkBytesMax) {
    const bytes = size <= 4096 ? readSmall(path, size) : readFileSync(path)
    return { digest: digestOf(fn, bytes), bytes: bytes.byteLength <= keepBytes ? bytes : undefined }
  }
  const hasher = createHasher(fn)
  const buffer = Buffer.allocUnsafe(chunkBytesMax)
  const file = await open(path, 'r')
  let total = 0
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, total)
      if (bytesRead === 0) break
      total += bytesRead
      hasher.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return { digest: { fn, hash: hasher.hex(), size: total }, bytes: undefined }
}

/** One read call if the size is right, without readFileSync's stat. */
function readSmall(path: string, size: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(size + 1)
  const file = openSync(path, 'r')
  try {
    const read = readSync(file, buffer, 0, size + 1, 0)
    if (read <= size) return buffer.subarray(0, read)
  } finally {
    closeSync(file)
  }
  return readFileSync(path)
}
