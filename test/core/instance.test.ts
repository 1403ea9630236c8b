import { expect, test } from 'vitest'
import { assertInstance } from '../../src/core/instance.ts'

const known = new Set(['', 'main'])

test('rule 34: both names of the one instance are known', () => {
  for (const name of known) expect(() => assertInstance(name, known)).not.toThrow()
})

test('rule 34: another one is invalid, and the error says which there are', () => {
  expect(() => assertInstance('moon-outputs', known)).toThrow(
    expect.objectContaining({ kind: 'invalid', next: [expect.stringContaining('the empty name or "main"')] }),
  )
})
