import { expect, test } from 'vitest'
import { parseSince } from '../../src/cli/since.ts'

const now = Date.parse('2026-11-29T08:00:00Z')

test.each([
  ['10m', now - 600_000],
  ['2h', now - 7_200_000],
  ['1h30m', now - 5_400_000],
  ['1.5h', now - 5_400_000],
  ['500ms', now - 500],
  ['0s', now],
  ['2026-11-29T07:30:00Z', now - 1_800_000],
  ['2026-11-29T08:30:00+01:00', now - 1_800_000],
  ['2026-11-29T07:30:00.250Z', now - 1_799_750],
  ['2026-11-29 07:30Z', now - 1_800_000],
  ['2026-11-29T02:30:00', new Date(2026, 10, 29, 2, 30).getTime()],
  ['2026-11-28', new Date(2026, 10, 28).getTime()],
])('%s', (text, expected) => {
  expect(parseSince(text, now)).toBe(expected)
})

test.each(['', '10', '5x', 'm', '10m ago', 'yesterday', '1', '2026', '2026-13-40', '-5m', '2999-01-01'])(
  '%j is refused, and the flag named',
  (text) => {
    expect(() => parseSince(text, now)).toThrow(expect.objectContaining({ kind: 'invalid', where: '--since' }))
  },
)
