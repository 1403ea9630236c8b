import fs from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../core/digest.ts'
import { messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Aside, entriesOf, isUnreadable } from './aside.ts'
import { digestOfPath, largeFileBytes } from './large-file.ts'

/** A large blob as it was found. */
export interface RecoveredFile {
  readonly digest: Digest
  /** When it was last written, in milliseconds since 1970. */
  readonly writtenMs: number
}

const partPattern = /^[0-9a-f]{2}$/

/**
 * The large blobs of a folder. Their length is checked now, their bytes when they are read; one
 * that is too short or too long is removed. What has no name of ours is none of our business;
 * what has one and is not a file, or no folder, is moved aside.
 */
export function recoverLarge(folder: string, log: Log, aside: Aside): RecoveredFile[] {
  const found: RecoveredFile[] = []
  for (const part of entriesOf(folder, log)) {
    if (!partPattern.test(part.name)) continue
    const path = join(folder, part.name)
    if (part.isDirectory()) found.push(...recoverPart(path, part.name, log, aside))
    else aside.move(path, 'a folder of large blobs is not a folder')
  }
  return found
}

function recoverPart(folder: string, part: string, log: Log, aside: Aside): RecoveredFile[] {
  const found: RecoveredFile[] = []
  for (const entry of entriesOf(folder, log)) {
    const path = join(folder, entry.name)
    const digest = digestOfPath(path)
    if (!digest?.hash.startsWith(part)) continue
    if (!entry.isFile()) {
      aside.move(path, 'a large blob is not a file')
      continue
    }
    const file = wholeFile(path, digest, log)
    if (file) found.push(file)
  }
  return found
}

function wholeFile(path: string, digest: Digest, log: Log): RecoveredFile | undefined {
  try {
    const { size, mtimeMs } = fs.lstatSync(path)
    if (size === largeFileBytes(digest.size)) return { digest, writtenMs: mtimeMs }
    log.warn('a file is not a complete blob and is removed', { file: path, bytes: size })
    fs.unlinkSync(path)
  } catch (error) {
    if (!isUnreadable(error)) throw error
    log.warn('a large blob cannot be read; it is not used', { file: path, reason: messageOf(error) })
  }
  return undefined
}
