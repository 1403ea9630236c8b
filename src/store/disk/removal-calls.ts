import { chmodSync, type Dir, opendirSync, renameSync } from 'node:fs'
import { errnoOf } from '../../core/failure.ts'

/** A folder around what is being removed. */
export interface OuterFolder {
  readonly path: Buffer
  /** It has been made writable. */
  writable: boolean
}

const entriesPerRead = 64
const denied: ReadonlySet<string> = new Set(['EACCES', 'EPERM'])

/** The code of the system error that the call ends with; undefined when it ends well. */
export function codeOf(call: () => void): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    const code = errnoOf(error)
    if (code === undefined) throw error
    return code
  }
}

/** The same, trying once more where the folder around has to be made writable first. */
export function codeInside(around: OuterFolder | undefined, call: () => void): string | undefined {
  const code = codeOf(call)
  if (code === undefined || !denied.has(code) || !around || around.writable) return code
  around.writable = true
  return codeOf(() => chmodSync(around.path, 0o700)) === undefined ? codeOf(call) : code
}

/** Moves a folder. Its entry `..` changes with that, for which it has to be writable. */
export function codeOfMove(from: Buffer, to: Buffer): string | undefined {
  const move = () => renameSync(from, to)
  return codeOf(move) && (codeOf(() => chmodSync(from, 0o700)) ?? codeOf(move))
}

/** @throws the system's error */
export function openFolder(path: Buffer): Dir {
  return opendirSync(path, { encoding: 'buffer' as BufferEncoding, bufferSize: entriesPerRead })
}
