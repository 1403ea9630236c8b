import { Failure } from '../../core/failure.ts'

/** The two lines that enclose a block in a file. */
export interface Marks {
  readonly opening: string
  readonly closing: string
  /** What the block is for, in messages: `cluster "native"`. */
  readonly of: string
}

/**
 * The file's text with the block in place of an earlier one with these marks, or appended if there is none. Idempotent.
 * @throws Failure 'invalid' if an opening mark has no closing one
 */
export function withBlock(text: string, marks: Marks, block: string): string {
  const place = findBlock(text, marks)
  if (place) return text.slice(0, place.start) + block + text.slice(place.end)
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`
  return before + block
}

/** The file's text without the block; unchanged if there is none. */
export function withoutBlock(text: string, marks: Marks): string {
  const place = findBlock(text, marks)
  return place ? text.slice(0, place.start) + text.slice(place.end) : text
}

function findBlock(text: string, { opening, closing, of }: Marks): { start: number; end: number } | undefined {
  const lines = text.split(/(?<=\n)/)
  const first = lines.findIndex((line) => line.trimEnd() === opening)
  if (first < 0) return undefined
  const last = lines.findIndex((line, at) => at > first && line.trimEnd() === closing)
  if (last < 0)
    throw new Failure('invalid', `the block for ${of} has no end marker`, {
      where: `line ${first + 1}`,
      next: [`Remove it by hand, or add the line "${closing}" where it ends.`],
    })
  const lengthOf = (upTo: number) => lines.slice(0, upTo).reduce((sum, line) => sum + line.length, 0)
  return { start: lengthOf(first), end: lengthOf(last + 1) }
}
