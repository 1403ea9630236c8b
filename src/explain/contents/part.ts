import type { ContentFormat } from '../../core/output-difference.ts'

/** A named piece of a file: an entry of an archive, a section of a program. */
export interface Part {
  readonly name: string
  readonly bytes: Uint8Array
  /** What the file records about it besides its bytes. */
  readonly facts: Readonly<Partial<Record<Fact, string>>>
}

export const facts = ['time', 'owner', 'mode', 'kind', 'compression'] as const
export type Fact = (typeof facts)[number]

/** A file as a list of its parts, in order. */
export interface Opened {
  readonly format: ContentFormat
  readonly parts: readonly Part[]
}

/** Opens a file; undefined if it does not have this format, or is damaged. */
export type Open = (bytes: Buffer, room: Room) => Opened | undefined

/** The remaining budget of a comparison: outputs of actions are untrusted. */
export interface Room {
  /** What may still be expanded. */
  bytesLeft: number
  /** What may still be read: parts can overlap, so that a small file may contain any number of large ones. */
  workBytesLeft: number
}

/** How often each byte of a file, and of its expanded content, may be read. */
const readsMax = 8
const workBytesMin = 1024 * 1024

/**
 * @param fileBytes of both files together
 * @param expandedBytes how much may be expanded
 */
export function roomFor(fileBytes: number, expandedBytes: number): Room {
  return { bytesLeft: expandedBytes, workBytesLeft: Math.max(readsMax * fileBytes, workBytesMin) }
}

/** Charges for what is about to be read; false if that exceeds the budget, and from then on. */
export function charge(room: Room, bytes: number): boolean {
  room.workBytesLeft -= bytes
  return !isSpent(room)
}

export function isSpent(room: Room): boolean {
  return room.workBytesLeft < 0
}

/** Expanded bytes add to the budget for reading. */
export function noteExpanded(room: Room, bytes: number): void {
  if (!isSpent(room)) room.workBytesLeft += readsMax * bytes
}

/** Further parts are ignored. */
export const partsMax = 100_000
/** Names can be longer, such as those of C++ templates; many parts may share one name, which is copied for each. */
export const nameBytesMax = 1024

/** Seconds since 1970 as a time; anything else stays unchanged. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('.000Z', 'Z')
}
