import type { ContentFormat } from '../../core/output-difference.ts'

/** A piece of a file that has a name of its own: an entry of an archive, a section of a program. */
export interface Part {
  readonly name: string
  readonly bytes: Uint8Array
  /** What the file says of it beside its bytes. */
  readonly facts: Readonly<Partial<Record<Fact, string>>>
}

export const facts = ['time', 'owner', 'mode', 'kind', 'compression'] as const
export type Fact = (typeof facts)[number]

/** A file as a list of parts, in their order. */
export interface Opened {
  readonly format: ContentFormat
  readonly parts: readonly Part[]
}

/** Opens a file; undefined for what is none of this format, or is damaged. */
export type Open = (bytes: Buffer, room: Room) => Opened | undefined

/** What a comparison may still take: what an action made is nobody's friend. */
export interface Room {
  /** What may still be expanded. */
  bytesLeft: number
  /** What may still be read: parts can lie on top of each other, so that a small file has any number of large ones. */
  workBytesLeft: number
}

/** How often each byte of a file, and of what is expanded, may be read. */
const readsMax = 8
const workBytesMin = 1024 * 1024

/**
 * @param fileBytes of both files together
 * @param expandedBytes how much may be expanded
 */
export function roomFor(fileBytes: number, expandedBytes: number): Room {
  return { bytesLeft: expandedBytes, workBytesLeft: Math.max(readsMax * fileBytes, workBytesMin) }
}

/** Takes what is about to be read; false when that is too much, and ever after. */
export function charge(room: Room, bytes: number): boolean {
  room.workBytesLeft -= bytes
  return !isSpent(room)
}

export function isSpent(room: Room): boolean {
  return room.workBytesLeft < 0
}

/** What was expanded is as much more to read. */
export function noteExpanded(room: Room, bytes: number): void {
  if (!isSpent(room)) room.workBytesLeft += readsMax * bytes
}

/** More parts are not looked at. */
export const partsMax = 100_000
/** Names can be longer, those of C++ templates for one; many parts may share one name, which is copied for each. */
export const nameBytesMax = 1024

/** Seconds since 1970 as a time; what is none stays as it is. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('.000Z', 'Z')
}
