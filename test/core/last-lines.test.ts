import { expect, test } from 'vitest'
import { lastLines } from '../../src/core/last-lines.ts'

const of = (text: string, bytesMax: number, isTorn = false) => {
  const { bytes, ...rest } = lastLines(Buffer.from(text), bytesMax, isTorn)
  return { text: Buffer.from(bytes).toString(), ...rest }
}

test('a text that fits is whole, also without an end of line', () => {
  expect(of('one\ntwo', 7)).toEqual({ text: 'one\ntwo', left: 0, isTorn: false })
  expect(of('', 7)).toEqual({ text: '', left: 0, isTorn: false })
})

test('of a longer one whole lines are left', () => {
  expect(of('one\ntwo\nthree', 6)).toEqual({ text: 'three', left: 8, isTorn: false })
  expect(of('one\ntwo\nthree', 8)).toEqual({ text: 'three', left: 8, isTorn: false })
  // It would end within the character.
  expect(of('a\u{1f600}\nb', 4)).toEqual({ text: 'b', left: 6, isTorn: false })
})

test('a line that begins where the end of the text does is whole', () => {
  expect(of('one\ntwo\nthree', 9)).toEqual({ text: 'two\nthree', left: 4, isTorn: false })
})

test('of a line that is longer than the bound nothing is left', () => {
  expect(of('API_TOKEN=hunter2', 7)).toEqual({ text: '', left: 17, isTorn: true })
  expect(of('API_TOKEN=hunter2\n', 7)).toEqual({ text: '', left: 18, isTorn: false })
})

test('a text that begins within a line begins after it', () => {
  expect(of('nter2\nnext', 100, true)).toEqual({ text: 'next', left: 6, isTorn: false })
  expect(of('\nnext', 100, true)).toEqual({ text: 'next', left: 1, isTorn: false })
  expect(of('nter2', 100, true)).toEqual({ text: '', left: 5, isTorn: true })
  expect(of('', 100, true)).toEqual({ text: '', left: 0, isTorn: true })
})
