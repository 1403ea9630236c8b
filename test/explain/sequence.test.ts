import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sequenceDiff } from '../../src/explain/sequence.ts'

/** Few different words, so that lists have much in common. */
const words = fc.array(fc.constantFrom('-c', '-O2', '-g', '-Iinclude', 'main.cc', ''), { maxLength: 30 })

/** The list that the edits lead to. */
function applied(one: readonly string[], other: readonly string[]): string[] {
  return sequenceDiff(one, other).flatMap((edit) => {
    if (edit.kind === 'same') return [one[edit.one] ?? '?']
    return edit.kind === 'added' ? [other[edit.other] ?? '?'] : []
  })
}

test('a list differs from itself in nothing', () => {
  fc.assert(
    fc.property(words, (list) => {
      expect(sequenceDiff(list, list).filter(({ kind }) => kind !== 'same')).toEqual([])
    }),
  )
})

test('the edits lead from one list to the other', () => {
  fc.assert(
    fc.property(words, words, (one, other) => {
      expect(applied(one, other)).toEqual(other)
      const left = sequenceDiff(one, other).flatMap((edit) => (edit.kind === 'added' ? [] : [edit.one]))
      expect(left).toEqual(one.map((_, at) => at))
      for (const edit of sequenceDiff(one, other))
        if (edit.kind === 'same') expect(one[edit.one]).toBe(other[edit.other])
    }),
  )
})

test('the way is the shortest: as many items stay as the longest common subsequence has', () => {
  fc.assert(
    fc.property(words, words, (one, other) => {
      expect(sequenceDiff(one, other).filter(({ kind }) => kind === 'same')).toHaveLength(longestCommon(one, other))
    }),
  )
})

test('one inserted argument is the only difference', () => {
  const edits = sequenceDiff(['cc', '-c', 'a.cc', '-o', 'a.o'], ['cc', '-g', '-c', 'a.cc', '-o', 'a.o'])
  expect(edits.filter(({ kind }) => kind !== 'same')).toEqual([{ kind: 'added', other: 1 }])
})

test('lists of 20,000 items that have nothing in common but their ends take no longer than it takes to see that', () => {
  const list = (name: string) => ['cc', ...Array.from({ length: 20_000 }, (_, at) => `${name}${at}`), '-o', 'out']
  const edits = sequenceDiff(list('a'), list('b'))
  expect(edits.filter(({ kind }) => kind === 'same')).toHaveLength(3)
  expect(edits).toHaveLength(40_003)
})

function longestCommon(one: readonly string[], other: readonly string[]): number {
  let row = new Array<number>(other.length + 1).fill(0)
  for (const item of one) {
    const next = [0]
    for (const [at, each] of other.entries())
      next.push(item === each ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0))
    row = next
  }
  return row.at(-1) ?? 0
}
