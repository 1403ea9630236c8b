import { printable } from '../core/printable.ts'
import { sizeText } from '../core/units.ts'
import type {
  Comparison,
  Entry,
  FieldDifference,
  InputDifference,
  ItemDifference,
  PropertyDifference,
  Unknown,
  VariableDifference,
} from './difference.ts'

/** One difference in words: its subject, and the value on each side. */
export interface Told {
  /** `argument 3 differs`, `variable PATH is only in the second`. */
  readonly title: string
  /** The value in the first, null if absent; and in the second. */
  readonly one: string | null
  readonly other: string | null
}

const shownCharactersMax = 160
const shownBeforeCharacters = 40

/** An argument or an output path. */
export function itemTold(what: 'argument' | 'output path', difference: ItemDifference): Told {
  const { position, otherPosition } = difference
  const [one, other] = around(difference.one, difference.other)
  const name = what === 'argument' ? `argument ${position ?? otherPosition}` : what
  if (one === null) return { title: `${name} is only in the second`, one, other }
  if (other === null) return { title: `${name} is only in the first`, one, other }
  const moved = what === 'argument' && position !== otherPosition ? ` (${otherPosition} in the second)` : ''
  return { title: `${name}${moved} differs`, one, other }
}

export function variableTold(difference: VariableDifference): Told {
  const [one, other] = around(difference.one, difference.other)
  return { title: `variable ${printable(difference.name)} ${sides(one, other)}`, one, other }
}

export function propertyTold({ name, one, other }: PropertyDifference): Told {
  const text = (values: readonly string[]) => (values.length === 0 ? null : printable(values.join(', ')))
  const [before, after] = [text(one), text(other)]
  return { title: `platform property ${printable(name)} ${sides(before, after)}`, one: before, other: after }
}

export function fieldTold({ field, one, other }: FieldDifference): Told {
  const [before, after] = around(one, other)
  return { title: `${field} ${sides(before, after)}`, one: before, other: after }
}

export function inputTold({ path, one, other }: InputDifference): Told {
  const name = printable(path) || 'the input root'
  const kind = (one ?? other)?.kind ?? 'file'
  if (!one || !other)
    return { title: `input ${name} ${sides(one, other)}`, one: entryText(one, null), other: entryText(other, null) }
  const changed = one.kind !== other.kind ? 'is of another kind' : changeOf(kind, one, other)
  return { title: `input ${name} ${changed}`, one: entryText(one, other), other: entryText(other, one) }
}

/** What is not known, and why that may be. */
export function unknownText({ what, side, path, digest }: Unknown): string {
  const whose = side === 'one' ? 'first' : 'second'
  if (what === 'command')
    return `The arguments and variables are not known: the command of the ${whose} action (${digest}) is not in the cache.`
  if (path !== '')
    return `What is below ${printable(path)} is not known: that directory of the ${whose} action (${digest}) is not in the cache.`
  return `Inputs differ, but which ones is not known: the input tree of the ${whose} action (${digest}) is not in the cache. With a cache alone, Bazel uploads no tree; with remote execution it does.`
}

/** All differences that a comparison lists, in reading order. */
export function toldDifferences(comparison: Comparison): Told[] {
  return [
    ...comparison.arguments.first.map((each) => itemTold('argument', each)),
    ...comparison.variables.first.map(variableTold),
    ...comparison.properties.first.map(propertyTold),
    ...comparison.fields.map(fieldTold),
    ...comparison.outputs.first.map((each) => itemTold('output path', each)),
    ...comparison.inputs.first.map(inputTold),
  ]
}

function sides(one: unknown, other: unknown): string {
  if (one === null) return 'is only in the second'
  return other === null ? 'is only in the first' : 'differs'
}

function changeOf(kind: Entry['kind'], one: Entry, other: Entry): string {
  if (one.digest !== other.digest) return 'has other contents'
  if (one.target !== other.target) return 'points elsewhere'
  if (one.executable !== other.executable) return `is executable only in the ${one.executable ? 'first' : 'second'}`
  return kind === 'directory' ? 'has other properties of its own' : 'has other properties'
}

/** The entry at a path, with what distinguishes it from the other side. */
function entryText(entry: Entry | null, than: Entry | null): string | null {
  if (!entry) return null
  const properties = Object.entries(entry.properties).filter(
    ([name, value]) => than !== null && than.properties[name] !== value,
  )
  return printable(
    [
      entry.kind === 'symlink' ? `symlink to ${entry.target}` : entry.kind,
      entry.executable ? 'executable' : '',
      entry.digest === null ? '' : contentText(entry.digest),
      ...properties.map(([name, value]) => `${name} ${value}`),
    ]
      .filter(Boolean)
      .join(', '),
  )
}

function contentText(digest: string): string {
  const [hash = '', size = '0'] = digest.split('/')
  return `${sizeText(Number(size))}, ${hash.slice(0, 8)}`
}

/** Two long texts, starting shortly before their first difference. */
function around(one: string | null, other: string | null): [string | null, string | null] {
  const longest = Math.max(one?.length ?? 0, other?.length ?? 0)
  let from = 0
  if (one !== null && other !== null && longest > shownCharactersMax) {
    while (from < longest && one[from] === other[from]) from += 1
    from = Math.max(0, from - shownBeforeCharacters)
  }
  return [cut(one, from), cut(other, from)]
}

function cut(text: string | null, from: number): string | null {
  if (text === null) return null
  const piece = text.slice(from, from + shownCharactersMax)
  return `${from > 0 ? '…' : ''}${printable(piece)}${from + piece.length < text.length ? '…' : ''}`
}
