import { expect, test } from 'vitest'
import { assertInstance, instanceNames } from '../../src/core/instance.ts'

const known = new Set(['', 'main'])

test('rule 34: both names of the one instance are known', () => {
  for (const name of known) expect(() => assertInstance(name, known)).not.toThrow()
})

test('rule 34: another one is invalid, and the error says which there are', () => {
  expect(() => assertInstance('moon-outputs', known)).toThrow(
    expect.objectContaining({ kind: 'invalid', next: [expect.stringContaining('the empty name or "main"')] }),
  )
})

test('with * every name means the one instance, as far as a resource name can hold it', () => {
  const names = instanceNames(['*'])
  for (const name of ['', 'main', 'moon-outputs', 'a/b/c']) expect(() => assertInstance(name, names)).not.toThrow()
  expect(names.used()).toEqual(['', 'main', 'moon-outputs', 'a/b/c'])
  for (const name of ['a/blobs', 'uploads', 'x'.repeat(300)])
    expect(() => assertInstance(name, names)).toThrow(expect.objectContaining({ kind: 'invalid' }))
})

test('names that were configured are those that there are', () => {
  const names = instanceNames(['main', 'b'])
  expect([...names]).toEqual(['main', 'b'])
  expect(['main', 'b', '', 'c'].map((name) => names.has(name))).toEqual([true, true, false, false])
})

test('of the names that clients make up few are kept and counted apart', () => {
  const counted = new Set<string>()
  const names = instanceNames(['*'], (name) => counted.add(name))
  for (let i = 0; i < 1000; i += 1) names.has(`name-${i}`)
  expect(names.used()).toHaveLength(16)
  expect(counted.size).toBe(17)
  expect(counted).toContain('other')
})
