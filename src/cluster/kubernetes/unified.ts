/** Lines of context around a change. */
const around = 3
/** Above this (1,000 lines changed into 4,000), a difference is shown as replaced as a whole. */
const cellsMax = 4_000_000

interface Line {
  readonly mark: ' ' | '-' | '+'
  readonly text: string
}

/**
 * The unified diff of two texts of lines, as `patch` takes it; empty when they are the same.
 * @param names of the two sides, for its head
 */
export function unifiedDiff(before: string, after: string, names: { before: string; after: string }): string {
  if (before === after) return ''
  const hunks = hunksOf(compare(linesOf(before), linesOf(after)))
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks, ''].join('\n')
}

function linesOf(text: string): string[] {
  if (text === '') return []
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
}

/** Both texts as one list: common lines once, differences as removed and then added. */
function compare(a: readonly string[], b: readonly string[]): Line[] {
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1
  const same = (text: string): Line => ({ mark: ' ', text })
  return [
    ...a.slice(0, head).map(same),
    ...differing(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ]
}

/** Computed by the longest common subsequence, from its table of lengths. */
function differing(a: readonly string[], b: readonly string[]): Line[] {
  const removed = (text: string): Line => ({ mark: '-', text })
  const added = (text: string): Line => ({ mark: '+', text })
  if (a.length * b.length > cellsMax) return [...a.map(removed), ...b.map(added)]
  const lengths = commonLengths(a, b)
  const width = b.length + 1
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0
  const lines: Line[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]]
    if (left !== undefined && left === right) {
      lines.push({ mark: ' ', text: left })
      i += 1
      j += 1
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(removed(left))
      i += 1
    } else if (right !== undefined) {
      lines.push(added(right))
      j += 1
    }
  }
  return lines
}

/** At i * (b.length + 1) + j: how many lines the remainders from i and from j have in common. */
function commonLengths(a: readonly string[], b: readonly string[]): Uint32Array {
  const width = b.length + 1
  const lengths = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const [down, right] = [lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0]
      const both = (lengths[(i + 1) * width + j + 1] ?? 0) + 1
      lengths[i * width + j] = a[i] === b[j] ? both : Math.max(down, right)
    }
  return lengths
}

function hunksOf(lines: readonly Line[]): string[] {
  const changed = lines.flatMap(({ mark }, at) => (mark === ' ' ? [] : [at]))
  const ranges: { from: number; to: number }[] = []
  for (const at of changed) {
    const last = ranges.at(-1)
    if (last && at - around <= last.to) last.to = Math.min(lines.length, at + around + 1)
    else ranges.push({ from: Math.max(0, at - around), to: Math.min(lines.length, at + around + 1) })
  }
  return ranges.flatMap(({ from, to }) => {
    const part = lines.slice(from, to)
    const count = (mark: '-' | '+', list: readonly Line[]) =>
      list.filter((each) => each.mark === mark || each.mark === ' ').length
    const range = (mark: '-' | '+') => {
      const size = count(mark, part)
      // An empty side is denoted by the line before it.
      return `${count(mark, lines.slice(0, from)) + (size === 0 ? 0 : 1)},${size}`
    }
    return [`@@ -${range('-')} +${range('+')} @@`, ...part.map(({ mark, text }) => mark + text)]
  })
}
