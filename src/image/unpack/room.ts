import { Failure } from '../../core/failure.ts'

/** A remaining budget on disk. */
export interface Room {
  bytes: number
  entries: number
}

/** The minimum that file systems allocate for a file, a folder or a symlink, and the unit of more. */
const diskBlockBytes = 4096

/**
 * Charges for one more file, folder or symlink, by its size on disk rather than in the archive.
 * @param bytes of its content
 * @throws Failure 'exhausted'
 */
export function takeRoom(room: Room, bytes: number, where: string): void {
  room.bytes -= Math.max(1, Math.ceil(bytes / diskBlockBytes)) * diskBlockBytes
  if (room.bytes < 0) throw tooLarge('is larger than it may be', where)
}

/**
 * Charges for one more entry, which may be another name of a file that is there.
 * @param bytes of what is kept for it
 * @throws Failure 'exhausted'
 */
export function takeName(room: Room, bytes: number, where: string): void {
  room.entries -= 1
  room.bytes -= bytes
  if (room.entries < 0) throw tooLarge('has too many files', where)
  if (room.bytes < 0) throw tooLarge('is larger than it may be', where)
}

/** The refusal of an image that is too large. */
export function tooLarge(what: string, where: string): Failure {
  return new Failure('exhausted', `the image ${what}`, { where })
}
