import fs from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../core/digest.ts'
import type { Log } from '../../telemetry/log.ts'
import { digestOfPath, largeFileBytes } from './large-file.ts'

/** A large blob as it was found. */
export interface RecoveredFile {
  readonly digest: Digest
  /** When it was last written, in milliseconds since 1970. */
  readonly writtenMs: number
}

/**
 * The large blobs of a folder. Their length is checked now, their bytes when they are read;
 * one that is too short or too long is removed.
 */
export function recoverLarge(folder: string, log: Log): RecoveredFile[] {
  const found: RecoveredFile[] = []
  for (const part of fs.readdirSync(folder))
    for (const name of fs.readdirSync(join(folder, part))) {
      const path = join(folder, part, name)
      const { size, mtimeMs } = fs.statSync(path)
      const digest = digestOfPath(path)
      if (digest?.hash.startsWith(part) && size === largeFileBytes(digest.size))
        found.push({ digest, writtenMs: mtimeMs })
      else {
        log.warn('a file is no whole blob; it is removed', { file: path, bytes: size })
        fs.unlinkSync(path)
      }
    }
  return found
}
