import { Failure } from '../core/failure.ts'
import { decodePax } from './tar-header.ts'

/** Bytes in one pax header or GNU long name. */
const extensionBytesMax = 1024 * 1024

/** What extension entries say about the next entry that its own header could not hold. */
export interface Extension {
  readonly path?: string
  readonly target?: string
  readonly size?: number
  /** Seconds since 1970, possibly with a fraction. */
  readonly mtime?: number
}

/** Does a header of this type describe the next entry? pax: x and g, GNU: L and K. */
export function isExtension(flag: string): boolean {
  return flag !== '' && 'xgLK'.includes(flag)
}

/** @throws Failure 'invalid' */
export function assertExtensionSize(size: number, where: string): void {
  if (size > extensionBytesMax) throw hostile(`has an extended header of ${size} bytes`, where)
}

/**
 * What is known about the next entry, with one more extension applied.
 * @throws Failure 'corrupt', 'invalid'
 */
export function extendedBy(before: Extension, flag: string, bytes: Buffer, where: string): Extension {
  if (flag === 'L') return { ...before, path: cString(bytes) }
  if (flag === 'K') return { ...before, target: cString(bytes) }
  const records = decodePax(bytes, where)
  // A global header's path would apply to every file: nobody writes that.
  if (flag === 'g') return before
  const [path, target, size] = [records.get('path'), records.get('linkpath'), records.get('size')]
  const mtime = records.get('mtime')
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw hostile('has an entry of an impossible size', where)
  return {
    ...before,
    ...(path === undefined ? {} : { path }),
    ...(target === undefined ? {} : { target }),
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(mtime !== undefined && /^\d{1,12}(\.\d{1,12})?$/.test(mtime) ? { mtime: Number(mtime) } : {}),
  }
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.byteLength : end)
}

/** The refusal of an archive that does what no honest one would. */
export function hostile(what: string, where: string): Failure {
  return new Failure('invalid', `the archive is refused: it ${what}`, { where })
}

/** A name from an archive, shortened for a message. */
export function short(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1)
}
