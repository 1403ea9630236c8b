/** One step of an edit script: keep an item of the first list, remove it, or insert one of the second. */
export type Edit =
  | { readonly kind: 'same'; readonly one: number; readonly other: number }
  | { readonly kind: 'removed'; readonly one: number }
  | { readonly kind: 'added'; readonly other: number }

/** Beyond this many edits, two lists count as having nothing in common: memory grows with the square. */
const editsMax = 1_000

/**
 * The shortest edit script between two lists (Myers' algorithm), so that one inserted item does not make all later ones
 * differ. Of lists further apart than `editsMax` edits, only their common prefix and suffix count as equal.
 * @returns edits in order; the numbers are positions in each list, from 0
 */
export function sequenceDiff(one: readonly string[], other: readonly string[]): Edit[] {
  const start = commonStart(one, other)
  const end = commonEnd(one, other, start)
  const middle = shortest(one.slice(start, one.length - end), other.slice(start, other.length - end))
  return [
    ...Array.from({ length: start }, (_, at): Edit => ({ kind: 'same', one: at, other: at })),
    ...middle.map((edit) => shifted(edit, start)),
    ...Array.from({ length: end }, (_, at): Edit => same(one.length - end + at, other.length - end + at)),
  ]
}

function same(one: number, other: number): Edit {
  return { kind: 'same', one, other }
}

function shifted(edit: Edit, by: number): Edit {
  switch (edit.kind) {
    case 'same':
      return same(edit.one + by, edit.other + by)
    case 'removed':
      return { kind: 'removed', one: edit.one + by }
    case 'added':
      return { kind: 'added', other: edit.other + by }
  }
}

function commonStart(one: readonly string[], other: readonly string[]): number {
  const most = Math.min(one.length, other.length)
  let at = 0
  while (at < most && one[at] === other[at]) at += 1
  return at
}

function commonEnd(one: readonly string[], other: readonly string[], start: number): number {
  const most = Math.min(one.length, other.length) - start
  let at = 0
  while (at < most && one[one.length - 1 - at] === other[other.length - 1 - at]) at += 1
  return at
}

function shortest(one: readonly string[], other: readonly string[]): Edit[] {
  const rounds = forwards(one, other)
  if (rounds) return backwards(rounds, one.length, other.length)
  return [
    ...one.map((_, at): Edit => ({ kind: 'removed', one: at })),
    ...other.map((_, at): Edit => ({ kind: 'added', other: at })),
  ]
}

/**
 * The furthest point on each diagonal after 0, 1, 2, ... edits. A diagonal is the position in the first list minus that
 * in the second; round d holds diagonals -d to d at 0 to 2d.
 * @returns undefined beyond editsMax
 */
function forwards(one: readonly string[], other: readonly string[]): Int32Array[] | undefined {
  const rounds: Int32Array[] = []
  for (let edits = 0; edits <= editsMax; edits += 1) {
    const before = rounds.at(-1)
    const reached = new Int32Array(2 * edits + 1)
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = before ? stepped(before, edits, diagonal) : 0
      while (x < one.length && x - diagonal < other.length && one[x] === other[x - diagonal]) x += 1
      reached[diagonal + edits] = x
      if (x >= one.length && x - diagonal >= other.length) return [...rounds, reached]
    }
    rounds.push(reached)
  }
  return undefined
}

/** The next edit on this diagonal: down from the one above, or right from the one below. */
function stepped(before: Int32Array, edits: number, diagonal: number): number {
  const at = (of: number) => before[of + edits - 1] ?? 0
  if (isDown(before, edits, diagonal)) return at(diagonal + 1)
  return at(diagonal - 1) + 1
}

function isDown(before: Int32Array, edits: number, diagonal: number): boolean {
  const at = (of: number) => before[of + edits - 1] ?? 0
  return diagonal === -edits || (diagonal !== edits && at(diagonal - 1) < at(diagonal + 1))
}

function backwards(rounds: readonly Int32Array[], oneLength: number, otherLength: number): Edit[] {
  const edits: Edit[] = []
  let x = oneLength
  let y = otherLength
  const back = () => {
    x -= 1
    y -= 1
    edits.push(same(x, y))
  }
  for (let round = rounds.length - 1; round > 0; round -= 1) {
    const before = rounds[round - 1] ?? new Int32Array(1)
    const down = isDown(before, round, x - y)
    const from = before[x - y + (down ? 1 : -1) + round - 1] ?? 0
    // Equal items after the edit.
    while (x > from + (down ? 0 : 1)) back()
    if (down) {
      y -= 1
      edits.push({ kind: 'added', other: y })
    } else {
      x -= 1
      edits.push({ kind: 'removed', one: x })
    }
  }
  while (x > 0) back()
  return edits.reverse()
}
