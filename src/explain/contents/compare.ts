import type { ContentComparison, ContentDifference, ContentFormat } from '../../core/output-difference.ts'
import { openAr } from './ar.ts'
import { firstDifference } from './bytes.ts'
import { openElf } from './elf.ts'
import { openGzip } from './gzip.ts'
import { leafDifference } from './leaf.ts'
import { charge, facts, isSpent, nameBytesMax, type Opened, type Part, type Room, roomFor } from './part.ts'
import { openTar } from './tar.ts'
import { openZip } from './zip.ts'

const differencesMax = 20
/** An archive in a compressed archive in an archive. */
const depthMax = 5
const expandedBytesMax = 512 * 1024 * 1024
const openers = [openAr, openElf, openZip, openGzip, openTar]

/**
 * How two different files differ, down to the entry of an archive (ar, tar, zip, gzip) and the section of an ELF file.
 * Each byte is read only a few times; beyond that the result is marked as cut.
 * @param expandedBytes how much compressed data is expanded, for both together
 */
export function compareContents(
  one: Uint8Array,
  other: Uint8Array,
  { expandedBytes = expandedBytesMax }: { readonly expandedBytes?: number } = {},
): ContentComparison {
  const room = roomFor(one.length + other.length, expandedBytes)
  const found: ContentDifference[] = []
  const format = compare([], asBuffer(one), asBuffer(other), { room, found })
  if (found.length === 0) found.push({ within: [], ...leafDifference(asBuffer(one), asBuffer(other)) })
  return {
    format,
    offset: firstDifference(one, other),
    differences: found.slice(0, differencesMax).map(bounded),
    cut: found.length > differencesMax || isSpent(room),
  }
}

/** An archive's author chooses how long its names and facts are. */
function bounded({ within, kind, offset, one, other }: ContentDifference): ContentDifference {
  const cut = (text: string | null) => text?.slice(0, nameBytesMax) ?? null
  return { within: within.map((name) => name.slice(0, nameBytesMax)), kind, offset, one: cut(one), other: cut(other) }
}

interface Work {
  readonly room: Room
  readonly found: ContentDifference[]
}

function compare(within: readonly string[], one: Buffer, other: Buffer, work: Work): ContentFormat {
  if (!charge(work.room, one.length + other.length)) return 'unknown'
  const opened = within.length < depthMax ? openBoth(one, other, work.room) : undefined
  if (!opened) {
    work.found.push({ within, ...leafDifference(one, other) })
    return 'unknown'
  }
  const before = work.found.length
  compareParts(within, opened.one.parts, opened.other.parts, work)
  // All parts are equal: it is padding, the compression level, the table itself.
  if (work.found.length === before && !isSpent(work.room))
    work.found.push({ within, ...leafDifference(one, other), kind: 'framing' })
  return opened.one.format
}

function openBoth(one: Buffer, other: Buffer, room: Room): { one: Opened; other: Opened } | undefined {
  for (const open of openers) {
    const first = open(one, room)
    const second = first && open(other, room)
    if (first && second) return { one: first, other: second }
  }
  return undefined
}

function compareParts(within: readonly string[], one: readonly Part[], other: readonly Part[], work: Work): void {
  const [before, after] = [named(one), named(other)]
  const common = [...before.keys()].filter((name) => after.has(name))
  for (const name of before.keys()) if (!after.has(name)) work.found.push(alone(within, 'only-first', name))
  for (const name of after.keys()) if (!before.has(name)) work.found.push(alone(within, 'only-second', name))
  const order = [...after.keys()].filter((name) => before.has(name))
  const at = common.findIndex((name, place) => name !== order[place])
  if (at >= 0)
    work.found.push({ within, kind: 'order', offset: null, one: common[at] ?? null, other: order[at] ?? null })
  for (const name of common) {
    if (work.found.length > differencesMax || isSpent(work.room)) return
    const [was, is] = [before.get(name), after.get(name)]
    if (was && is) comparePart([...within, name], was, is, work)
  }
}

function comparePart(within: readonly string[], one: Part, other: Part, work: Work): void {
  for (const fact of facts) {
    const [was, is] = [one.facts[fact] ?? null, other.facts[fact] ?? null]
    if (was !== is) work.found.push({ within, kind: fact, offset: null, one: was, other: is })
  }
  const [before, after] = [asBuffer(one.bytes), asBuffer(other.bytes)]
  if (before.length === after.length && !charge(work.room, before.length + after.length)) return
  if (!before.equals(after)) compare(within, before, after, work)
}

function alone(within: readonly string[], kind: 'only-first' | 'only-second', name: string): ContentDifference {
  const [one, other] = kind === 'only-first' ? [name, null] : [null, name]
  return { within, kind, offset: null, one, other }
}

/** By name; duplicates are numbered. */
function named(parts: readonly Part[]): ReadonlyMap<string, Part> {
  const counts = new Map<string, number>()
  return new Map(
    parts.map((part) => {
      const count = (counts.get(part.name) ?? 0) + 1
      counts.set(part.name, count)
      return [count === 1 ? part.name : `${part.name} (${count})`, part]
    }),
  )
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
