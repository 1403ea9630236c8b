import { Failure } from '../../core/failure.ts'

/** What may still come into a tree. */
export interface Room {
  bytes: number
  entries: number
}

/** What file systems give a file, a folder or a name at least, and by what they give more. */
const diskBlockBytes = 4096

/**
 * Takes the room of one more file, folder or link, as a disk has it and not as it is written in an archive.
 * @param bytes of its content
 * @throws Failure 'exhausted'
 */
export function takeRoom(room: Room, bytes: number, where: string): void {
  room.entries -= 1
  room.bytes -= Math.max(1, Math.ceil(bytes / diskBlockBytes)) * diskBlockBytes
  if (room.entries < 0) throw tooLarge('has too many files', where)
  if (room.bytes < 0) throw tooLarge('is larger than it may be', where)
}

/** The refusal of an image that takes too much. */
export function tooLarge(what: string, where: string): Failure {
  return new Failure('exhausted', `the image ${what}`, { where })
}
