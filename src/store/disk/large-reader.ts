import fs from 'node:fs'
import { type Digest, digestText } from '../../core/digest.ts'
import { errnoOf } from '../../core/failure.ts'
import type { Allocate, ReadRange } from '../blobs.ts'
import { diskFailure } from './errors.ts'
import type { FileIo } from './file-io.ts'
import { readTail } from './large-file.ts'
import { checkedPieces } from './pieces.ts'

/** Opens one large blob; undefined when its file is gone or damaged. */
export type ReadLarge<File> = (
  file: File,
  range: ReadRange,
  allocate?: Allocate,
) => Promise<AsyncIterable<Uint8Array> | undefined>

export interface LargeReaderOptions<File> {
  readonly io: FileIo
  /** The file is being read: its bytes stay counted until the result is called, whatever becomes of the blob. */
  hold(file: File): () => void
  /** The file is gone, cannot be read, or is not what was written. */
  damaged(file: File): void
}

/** Reads large blobs from their files, each chunk held against its checksum. */
export function createLargeReader<File extends { readonly digest: Digest; readonly path: string }>({
  io,
  hold,
  damaged,
}: LargeReaderOptions<File>): ReadLarge<File> {
  function open(file: File): number | undefined {
    try {
      return fs.openSync(file.path, 'r')
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw diskFailure(error, 'reading from the store', file.path)
      damaged(file)
      return undefined
    }
  }

  async function read(
    file: File,
    range: ReadRange,
    allocate: Allocate = Buffer.allocUnsafeSlow,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { digest } = file
    const fd = open(file)
    if (fd === undefined) return undefined
    const letGo = hold(file)
    const release = () => {
      letGo()
      fs.closeSync(fd)
    }
    try {
      const sums = sumsOf(file, fd, release)
      if (!sums) {
        damaged(file)
        return undefined
      }
      const value = { fd, base: 0, length: digest.size, sums, name: digestText(digest), release }
      return await checkedPieces({ ...value, damaged: () => damaged(file) }, range, io, allocate)
    } catch (error) {
      return unreadable(error, file)
    }
  }

  /** The checksums of a file's chunks; where there are none to be had, the file is released. */
  function sumsOf({ digest, path }: File, fd: number, release: () => void): Uint32Array | undefined {
    let sums: Uint32Array | undefined
    try {
      sums = readTail(fd, digest.size, path)
    } finally {
      if (!sums) release()
    }
    return sums
  }

  /** A medium that cannot give a blob back has lost it. */
  function unreadable(error: unknown, file: File): undefined {
    if (errnoOf(error) !== 'EIO') throw diskFailure(error, 'reading from the store', file.path)
    damaged(file)
    return undefined
  }

  return read
}
