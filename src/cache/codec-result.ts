import type { WireDigest } from '../core/digest.ts'
import { type RawDigest, readDigest } from './codec-find.ts'
import { type Cursor, cursorOf, readLength, readTag, skipField } from './cursor.ts'

/** The part of an ActionResult that refers to blobs; a whole ActionResult is one too. */
export interface ResultReferences {
  readonly outputFiles?: readonly { readonly digest?: WireDigest | null | undefined }[] | null | undefined
  readonly outputDirectories?: readonly DirectoryReferences[] | null | undefined
  readonly stdoutDigest?: WireDigest | null | undefined
  readonly stderrDigest?: WireDigest | null | undefined
}

/** The same of an OutputDirectory. */
export interface DirectoryReferences {
  readonly treeDigest?: WireDigest | null | undefined
  readonly rootDirectoryDigest?: WireDigest | null | undefined
}

interface Decoded {
  readonly outputFiles: { digest: RawDigest | undefined }[]
  readonly outputDirectories: { treeDigest: RawDigest | undefined; rootDirectoryDigest: RawDigest | undefined }[]
  stdoutDigest: RawDigest | undefined
  stderrDigest: RawDigest | undefined
}

/**
 * For decodeMessage. Most of a usual ActionResult is times, which a lookup does not need: all of it was decoded
 * before it was stored.
 */
export const resultReferences = { name: 'ActionResult', decode: decodeResultReferences }

function decodeResultReferences(bytes: Uint8Array): Decoded {
  const result: Decoded = { outputFiles: [], outputDirectories: [], stdoutDigest: undefined, stderrDigest: undefined }
  // A store in memory gives plain bytes.
  const cursor = cursorOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x12) result.outputFiles.push(readFile(cursor))
    else if (tag === 0x1a) result.outputDirectories.push(readDirectory(cursor))
    else if (tag === 0x32) result.stdoutDigest = readDigest(cursor, result.stdoutDigest)
    else if (tag === 0x42) result.stderrDigest = readDigest(cursor, result.stderrDigest)
    else skipField(cursor, tag)
  }
  return result
}

function readFile(cursor: Cursor): Decoded['outputFiles'][number] {
  const file: Decoded['outputFiles'][number] = { digest: undefined }
  const outerEnd = cursor.end
  cursor.end = readLength(cursor) + cursor.at
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x12) file.digest = readDigest(cursor, file.digest)
    else skipField(cursor, tag)
  }
  cursor.end = outerEnd
  return file
}

function readDirectory(cursor: Cursor): Decoded['outputDirectories'][number] {
  const directory: Decoded['outputDirectories'][number] = { treeDigest: undefined, rootDirectoryDigest: undefined }
  const outerEnd = cursor.end
  cursor.end = readLength(cursor) + cursor.at
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === 0x1a) directory.treeDigest = readDigest(cursor, directory.treeDigest)
    else if (tag === 0x2a) directory.rootDirectoryDigest = readDigest(cursor, directory.rootDirectoryDigest)
    else skipField(cursor, tag)
  }
  cursor.end = outerEnd
  return directory
}
