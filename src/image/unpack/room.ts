import { Failure } from '../../core/failure.ts'

/** The remaining budget of a tree. */
export interface Room {
  bytes: number
  entries: number
}

/** The minimum that file systems allocate for a file, a folder or a name, and the unit of more. */
const diskBlockBytes = 4096

/**
 * Charges for one more file, folder or link, by its size on disk rather than in the archive.
 * @param bytes of its content
 * @throws Failure 'exhausted'
 */
export function takeRoom(room: Room, bytes: number, where: string): void {
  room.entries -= 1
  room.bytes -= Math.max(1, Math.ceil(bytes / diskBlockBytes)) * diskBlockBytes
  if (room.entries < 0) throw tooLarge('has too many files', where)
  if (room.bytes < 0) throw tooLarge('is larger than it may be', where)
}

/** The refusal of an image that is too large. */
export function tooLarge(what: string, where: string): Failure {
  return new Failure('exhausted', `the image ${what}`, { where })
}
