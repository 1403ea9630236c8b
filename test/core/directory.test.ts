import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkDirectory, checkName, compareNames, nameBytesMax } from '../../src/core/directory.ts'
import { Failure } from '../../src/core/failure.ts'

const segment = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((name) => accepts(name))

function accepts(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')
}

function named(...names: string[]): { name: string }[] {
  return names.map((name) => ({ name }))
}

describe('checkName', () => {
  test.each(['', '.', '..', 'a/b', '/', 'a/', '../a', 'a\0', '\0'])('rule 39: refuses %j', (name) => {
    expect(() => checkName(name)).toThrow(Failure)
  })

  test.each(['a', '...', '.git', 'a b', '-rf', 'ä', '文', '😀', 'CON', 'a\\b', 'a\n'])('takes %j', (name) => {
    expect(() => checkName(name)).not.toThrow()
  })

  test('counts the length in bytes of UTF-8', () => {
    expect(() => checkName('a'.repeat(nameBytesMax))).not.toThrow()
    expect(() => checkName('a'.repeat(nameBytesMax + 1))).toThrow(/longer/)
    expect(() => checkName('文'.repeat(85))).not.toThrow()
    expect(() => checkName('文'.repeat(86))).toThrow(/longer/)
  })

  test('the error says where the name stands and shows no more than its beginning', () => {
    const error = failureOf(() => checkName(`${'x'.repeat(5000)}/`, 'the input root'))
    expect(error.where).toBe('the input root')
    expect(error.kind).toBe('invalid')
    expect(error.message.length).toBeLessThan(300)
  })
})

describe('checkDirectory', () => {
  test('takes the empty directory, absent lists too', () => {
    expect(() => checkDirectory({})).not.toThrow()
    expect(() => checkDirectory({ files: null, directories: [], symlinks: undefined as never })).not.toThrow()
  })

  test('rule 39: each list sorted by itself, unique over all three', () => {
    const good = { files: named('b', 'd'), directories: named('a', 'c'), symlinks: [{ name: 'e', target: '../x' }] }
    expect(() => checkDirectory(good)).not.toThrow()
    expect(() => checkDirectory({ files: named('b', 'a') })).toThrow(/not sorted/)
    expect(() => checkDirectory({ directories: named('a', 'a') })).toThrow(/twice/)
    expect(() => checkDirectory({ files: named('a'), directories: named('a') })).toThrow(/twice/)
    expect(() => checkDirectory({ files: named('a'), symlinks: [{ name: 'a', target: 'b' }] })).toThrow(/twice/)
  })

  test('rule 39: refuses a bad name in any list', () => {
    expect(() => checkDirectory({ files: named('..') })).toThrow(Failure)
    expect(() => checkDirectory({ directories: named('a/b') })).toThrow(Failure)
    expect(() => checkDirectory({ symlinks: [{ name: '', target: 'x' }] })).toThrow(Failure)
    expect(() => checkDirectory({ files: [{}] })).toThrow(/empty/)
  })

  test('a symlink has a target that is a path; absolute ones are left to the server', () => {
    expect(() => checkDirectory({ symlinks: [{ name: 'a', target: '/usr/bin' }] })).not.toThrow()
    expect(() => checkDirectory({ symlinks: [{ name: 'a' }] })).toThrow(/no target/)
    expect(() => checkDirectory({ symlinks: [{ name: 'a', target: 'x\0y' }] })).toThrow(/NUL/)
  })

  test('any set of segments is canonical once sorted, and not when two are swapped', () => {
    fc.assert(
      fc.property(fc.uniqueArray(segment, { minLength: 2, maxLength: 20 }), (names) => {
        const sorted = [...names].sort(compareNames)
        checkDirectory({ files: named(...sorted) })
        const [first = '', second = '', ...rest] = sorted
        expect(() => checkDirectory({ files: named(second, first, ...rest) })).toThrow(/not sorted/)
      }),
    )
  })
})

describe('compareNames', () => {
  test('orders as UTF-8 bytes do', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(Math.sign(compareNames(a, b))).toBe(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))))
      }),
      { numRuns: 2000 },
    )
  })

  test('a character beyond U+FFFF comes after every one below', () => {
    expect(compareNames('\u{ff5e}', '\u{1f600}')).toBeLessThan(0)
  })
})

function failureOf(act: () => void): Failure {
  try {
    act()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
